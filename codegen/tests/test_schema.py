# SPDX-License-Identifier: GPL-2.0-only
"""The schema: closed, documented, and with messages that help."""

import copy

import pytest

from codegen import loader, schema
from codegen.errors import SpecError

from .support import ROOT, SPEC, expect, findings, mutate

SCHEMA = schema.load_schema(ROOT / "spec/schema.yaml")
DOCUMENT = loader.load(SPEC)


def places(data, wanted, path=()):
    """Paths of all mappings that satisfy `wanted`."""
    if isinstance(data, dict):
        if wanted(data):
            yield path
        for key, value in data.items():
            yield from places(value, wanted, path + (key,))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from places(value, wanted, path + (n,))


def at(data, path):
    for part in path:
        data = data[part]
    return data


def complaints(data):
    document = copy.copy(DOCUMENT)
    document.data = data
    try:
        schema.validate(document, SCHEMA)
    except SpecError as err:
        return err.findings
    return []


def name(path):
    return ".".join(map(str, path)) or "top"


MAPPINGS = list(places(DOCUMENT.data, lambda mapping: True))
DOCUMENTED = list(places(DOCUMENT.data, lambda mapping: "doc" in mapping))


def test_schema_accepts_the_spec():
    assert complaints(DOCUMENT.data) == []
    assert len(MAPPINGS) > 80


@pytest.mark.parametrize("path", MAPPINGS, ids=name)
def test_schema_unknown_key(path):
    data = copy.deepcopy(DOCUMENT.data)
    at(data, path)["No-Such-Key"] = 1
    found = complaints(data)
    assert [f.rule for f in found] == ["schema"]
    assert found[0].message.startswith("unknown key 'No-Such-Key' in ")
    assert found[0].line == DOCUMENT.line(path)


@pytest.mark.parametrize("path", DOCUMENTED, ids=name)
def test_schema_doc_required(path):
    data = copy.deepcopy(DOCUMENT.data)
    del at(data, path)["doc"]
    found = complaints(data)
    assert [(f.line, f.rule) for f in found] == [(DOCUMENT.line(path), "schema")]
    assert found[0].message.startswith("'doc' is missing in ")


def test_schema_every_entry_has_a_doc():
    """
    Only the values of an example and the parts of the whole are without one; and the core, whose text
    would be the kernel's.
    """
    without = [path for path in MAPPINGS if path not in DOCUMENTED]
    assert {path for path in without if path and path[-1] != "values"} == {("core",)}


def closed(node, path=()):
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node.get("additionalProperties")
        for key, value in node.items():
            yield from closed(value, path + (key,))
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from closed(value, path + (n,))


def test_schema_is_closed_everywhere():
    objects = list(closed(SCHEMA))
    assert len(objects) >= 20
    assert [path for path, additional in objects if additional is not False] == []


def test_schema_is_named_for_editors():
    first = SPEC.read_text().splitlines()[:4]
    assert "# yaml-language-server: $schema=schema.yaml" in first
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


CASES = {
    "unknown-key": ("vendor: NVIDIA\n    value: 1\n", "vendor: NVIDIA\n    value: 1\n    vale: 1@@\n",
                    "unknown key 'vale' in subtypes[0]; did you mean 'value'?"),
    "unknown-key-far": ("vendor: NVIDIA\n    value: 1\n",
                        "vendor: NVIDIA\n    value: 1\n    zzz: 1@@\n", "known here: also_in, "),
    "enum": ("memory: cacheable", "memory: cached@@", "has to be one of: cacheable, noncached"),
    "number": ("    id: 4\n", "    id: four@@\n", "is 'four', but has to be a number"),
    "negative": ("    id: 4\n", "    id: -4@@\n", "at least 0"),
    "large": ("    id: 4\n", "    id: 0x10000@@\n", "at most 65535 (0xffff)"),
    "text": ("    struct: vfio_region_info_cap_nvlink2_ssatgt\n", "    struct: 7@@\n",
             "has to be text"),
    "list": ("capabilities: [ssatgt]\n", "capabilities: ssatgt@@\n", "has to be a list"),
    "mapping": ("values: {tgt: 0x400000000}", "values: 7@@", "has to be a mapping"),
    "pattern": ("constant: VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD",
                "constant: CAP_LNKSPD@@", "has to match ^VFIO_"),
    "const": ("name: vfio_nvlink2", "name: vfio_nvlink3@@", "has to be 'vfio_nvlink2'"),
    "boolean": ("required: false\n          if_absent", "required: maybe@@\n          if_absent",
                "has to be true or false"),
    "empty-list": ("capabilities: [ssatgt]\n", "capabilities: []@@\n", "needs at least 1"),
    "short": ("doc: Base and size of the GPU's window.", "doc: x@@", "at least 3 characters"),
    "comment-mark": ("doc: 20 Gbit/s a lane.", "doc: 20 */ Gbit/s a lane.@@", "C comment"),
    "not-ascii": ("doc: 20 Gbit/s a lane.", "doc: 20 Gbit/s \u00e0 lane.@@", "C comment"),
    "twice": ("flags: [read, write, mmap]\n    flags_empty: []\n    memory: noncached",
              "flags: [read, read]@@\n    flags_empty: []\n    memory: noncached", "twice"),
    "speed-number": ('gbit_per_s: "20"', "gbit_per_s: 20@@", "has to be text"),
}


@pytest.mark.parametrize("case", CASES)
def test_schema_message(tmp_path, capsys, case):
    old, new, says = CASES[case]
    expect(tmp_path, capsys, "schema", (old, new), says=says)


def test_schema_misspelt_section(tmp_path, capsys):
    text, lines = mutate(("pci_ids:\n", "pci_id:@@\n"))
    found = {f.message: f.line for f in findings(tmp_path, capsys, text)}
    assert found["unknown key 'pci_id' in the spec; did you mean 'pci_ids'?"] == lines[0]
    assert "'pci_ids' is missing in the spec; add it" in found
    assert len(found) == 2
