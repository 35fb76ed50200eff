# SPDX-License-Identifier: GPL-2.0-only
"""Every rule the spec has for the device tree is broken by a test, and the log says how."""

import re
from typing import NamedTuple

import pytest
import yaml

from lab.paths import ROOT

GUEST = ROOT / "tests/guest"
SPEC = yaml.safe_load((ROOT / "spec/vfio_nvlink2.yaml").read_text("utf-8"))
# A function without them is no device of ours, which breaks no rule.
DECIDES = ("ibm,npu", "ibm,gpu")
WORDS = {
    "NON_ZERO": "{of} is zero",
    "ALIGNED": "{of} is not a multiple",
    "MAX": "{of} is over",
    "NO_WRAP": "wraps",
    "NOT_SYSTEM_RAM": "overlaps System RAM",
}


class Row(NamedTuple):
    """A line of FLAWS in test_flaw.c: what is broken, and what the open has to say."""
    name: str
    flaw: str
    device: str
    errno: str
    node: str
    message: str


def rows():
    """The table of broken trees."""
    text = (GUEST / "test_flaw.c").read_text("utf-8")
    found = re.findall(r'X\((\w+),\s*"([\w-]+)",\s*(GPU|BRIDGE),\s*(\w+),[\s\\]*("[^"]*"|\w+),'
                       r'[\s\\]*"([^"]+)"\)', text)
    assert len(found) == text.count("\tX("), "a line of FLAWS is not understood"
    return [Row(*fields) for fields in found]


def demands():
    """(property, kind of flaw or words of the message, errno) of every rule in the spec."""
    for node in SPEC["device_tree"]["nodes"]:
        for prop in node["properties"]:
            name = prop["name"]
            if prop["required"] and name not in DECIDES:
                yield name, "-missing", "ENODEV"
            yield name, "-dangling" if "phandle" in prop["type"] else "-short", "EINVAL"
            for check in prop.get("checks", ()):
                part = "size" if check.get("of") == "size" else "address"
                yield name, WORDS[check["rule"]].format(of=part), "EINVAL"


@pytest.mark.parametrize("prop, what, errno", demands())
def test_rule_has_a_broken_tree(prop, what, errno):
    """A row breaks the rule by its flaw's name, or says so in the words of the log."""
    assert [row for row in rows() if row.errno == errno and row.message.startswith(prop)
            and (row.flaw.endswith(what) or row.message.startswith(f"{prop}: {what}"))]


def simulated():
    """The flaws the simulator can make."""
    text = (ROOT / "kernel/sim/sim_main.c").read_text("utf-8")
    return re.findall(r'^\t\[SIM_\w+\]\s*= "([\w-]+)",$', text, re.MULTILINE)


@pytest.mark.parametrize("flaw", simulated())
def test_simulated_flaw_is_used(flaw):
    """References are counted for each, and each but "none" is about something else as well."""
    assert f'"{flaw}"' in (GUEST / "test_refs.c").read_text("utf-8")
    others = [path.read_text("utf-8") for path in GUEST.glob("test_*.c")
              if path.name != "test_refs.c"]
    assert flaw == "none" or any(re.search(rf'["=]{flaw}"', text) for text in others)
