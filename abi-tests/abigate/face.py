# SPDX-License-Identifier: GPL-2.0-only
"""
The face of the built modules, as text: what other modules, modprobe, udev and trace scripts see.

Nothing in it comes from the kernel built against, so that one text fits all of them: no
addresses, no version, no offset that a structure of the kernel decides.
"""

from __future__ import annotations

from pathlib import Path

from .facediff import NO_DEBUG, compare
from .modulefile import ModuleFile, Place, Symbol
from .prototypes import Prototypes

__all__ = ["HEADER", "NO_DEBUG", "compare", "read"]

HEADER = """\
# SPDX-License-Identifier: GPL-2.0-only
#
# What the built modules show of themselves: to other modules (export, struct), to udev (alias),
# to modprobe.d (parameter) and to trace scripts (event). `make abi-face` writes this file, and
# `make test` fails when the modules differ from it, so that each change here is seen in review.

"""

# In .modinfo, but of the kernel built against, or in other lines here.
_NOT_SHOWN = ("vermagic", "name", "alias", "parm", "parmtype", "depends", "srcversion", "retpoline")

# struct kernel_param, struct kparam_array and struct trace_event_fields, of 64-bit kernels.
_PARAM = 40
_PARAM_OPS, _PARAM_MODE, _PARAM_FLAGS, _PARAM_ARG = 16, 24, 27, 32
_FLAG_UNSAFE = 1
_KSYM_GPL_ONLY = 1
_FIELD_NAME, _FIELD_SIZE, _FIELD_SIGNED, _FIELD_LEN = 8, 16, 24, 32
_EVENT_CLASS, _EVENT_TRACEPOINT = 16, 24


def read(modules: list[Path]) -> str:
    """The face of these modules."""
    return "\n".join(_module(ModuleFile(path)) for path in modules)


def _module(module: ModuleFile) -> str:
    info = module.info()
    exports = _exports(module)
    prototypes = Prototypes(module, set(exports))
    lines = [f"module {dict(info)['name'].replace('_', '-')}"]
    lines += [] if prototypes.known else [f"\t{NO_DEBUG}"]
    lines += [f"\tinfo {key}: {value}" for key, value in sorted(info) if key not in _NOT_SHOWN]
    # Of what the kernel has, some is built in here and a module there.
    lines += [f"\tdepends: {name}" for key, value in info if key == "depends"
              for name in sorted(value.split(",")) if name.replace("_", "-").startswith("nvlink2-")]
    lines += sorted(f"\talias {value}" for key, value in info if key == "alias")
    for name, kind in sorted(exports.items()):
        lines += [f"\texport {name}: {kind}"]
        lines += [f"\t\t{prototypes.functions[name]}"] if prototypes.known else []
    for name, members in sorted(prototypes.types.items()):
        lines += [f"\t{name}", *(f"\t\t{member}" for member in members)]
    return "\n".join([*lines, *_parameters(module, info), *_events(module)]) + "\n"


def _exports(module: ModuleFile) -> dict[str, str]:
    """{symbol: who may use it, and its namespace}."""
    found = {}
    for section, kind in (("__ksymtab", "any licence"), ("__ksymtab_gpl", "GPL only")):
        entries = module.symbols_in(section, "__ksymtab_")
        if bool(entries) != bool(module.data(section)):
            module.fail(f"has a {section} section without the symbols that name its entries; build "
                        "it again, and strip no more than debug information")
        # Newer kernels have one section, and in another a byte of flags for each entry.
        flags = module.data("__kflagstab") if section == "__ksymtab" else b""
        if flags and len(flags) != len(entries):
            module.fail(f"has {len(flags)} flags for {len(entries)} exports; teach "
                        "abigate/face.py how this kernel's modpost stores them")
        for rank, entry in enumerate(sorted(entries, key=lambda entry: entry.place.offset)):
            name = entry.name.removeprefix("__ksymtab_")
            spaces = [symbol for symbol in module.symbols
                      if symbol.name == f"__kstrtabns_{name}"]
            if not spaces:
                module.fail(f"has no namespace string for {name}; teach abigate/face.py how this "
                            "kernel's modpost stores it")
            space = module.string(spaces[0].place)
            terms = "GPL only" if flags and flags[rank] & _KSYM_GPL_ONLY else kind
            found[name] = f"{terms}, {'namespace ' + space if space else 'no namespace'}"
    return found


def _parameters(module: ModuleFile, info: list[tuple[str, str]]) -> list[str]:
    types, texts = ({name: text for name, _, text in
                     (value.partition(":") for key, value in info if key == wanted)}
                    for wanted in ("parmtype", "parm"))
    size = len(module.data("__param"))
    if size % _PARAM:
        module.fail("has a __param section of no whole number of entries; teach abigate/face.py "
                    "the layout of this kernel's struct kernel_param")
    found = {}
    for at in range(0, size, _PARAM):
        entry = Place(module.index["__param"], at)
        name = module.string(module.follow(entry, "a parameter's name"))
        ops = module.follow(entry.plus(_PARAM_OPS), "a parameter's operations")
        word = types.get(name) or f"operations {ops.name or 'of its own'}"
        if ops.name == "param_array_ops":
            array = module.follow(entry.plus(_PARAM_ARG), "a parameter's array")
            word += f", at most {module.number(array, 4)}"
        if module.number(entry.plus(_PARAM_FLAGS), 1) & _FLAG_UNSAFE:
            word += ", unsafe"
        mode = module.number(entry.plus(_PARAM_MODE), 2)
        found[name] = [f"\tparameter {name}: {word}, mode {mode:04o}",
                       f"\t\t{texts.get(name, '(no description)')}"]
    for name in sorted((types.keys() | texts.keys()) - found.keys()):
        module.fail(f"describes a parameter {name} that its __param section does not have; a "
                    "MODULE_PARM_DESC has the wrong name, or the build is damaged")
    return [line for _, lines in sorted(found.items()) for line in lines]


def _events(module: ModuleFile) -> list[str]:
    """The tracepoints that show in tracefs, each with its fields in order."""
    found = {}
    size = len(module.data("_ftrace_events"))
    for at in range(0, size, 8):
        event = module.follow(Place(module.index["_ftrace_events"], at), "a trace event")
        symbol = module.symbol_at(event, "event_")
        group = module.follow(event.plus(_EVENT_CLASS), "the class of a trace event")
        tracepoint = module.follow(event.plus(_EVENT_TRACEPOINT), "a trace event's tracepoint")
        name = module.string(module.follow(tracepoint, "a tracepoint's name"))
        system = module.string(module.follow(group, "a trace event's system"))
        # Members in between depend on the kernel's configuration: the pointers differ
        # by what they lead to.
        fields = _pointer_to(module, module.symbol_at(group, "event_class_"), "trace_event_fields_")
        text = _pointer_to(module, symbol, "print_fmt_")
        found[f"{system}:{name}"] = [*_fields(module, fields), f"print {module.string(text.place)}"]
    return [line for key, parts in sorted(found.items())
            for line in [f"\tevent {key}", *(f"\t\t{part}" for part in parts)]]


def _pointer_to(module: ModuleFile, symbol: Symbol, prefix: str) -> Symbol:
    within = range(symbol.place.offset, symbol.place.offset + symbol.size)
    targets = [target for offset, target in module.pointers(symbol.place.section).items()
               if offset in within]
    hits = [named for named in module.symbols
            if named.name.startswith(prefix) and named.place in targets]
    if len(hits) != 1:
        module.fail(f"has {len(hits)} {prefix}* in {symbol.name} instead of one; teach "
                    "abigate/face.py the layout of this kernel's trace events")
    return hits[0]


def _fields(module: ModuleFile, symbol: Symbol) -> list[str]:
    """The fields of an event: type, name, size, signed or not."""
    # Two pointers an entry, and an empty entry at the end.
    pointers = sorted(offset for offset in module.pointers(symbol.place.section)
                      if symbol.place.offset <= offset < symbol.place.offset + symbol.size)
    step, rest = divmod(symbol.size, len(pointers) // 2 + 1)
    expected = [symbol.place.offset + n * step + part
                for n in range(len(pointers) // 2) for part in (0, _FIELD_NAME)]
    if rest or pointers != expected or step <= _FIELD_LEN:
        module.fail(f"has a {symbol.name} that is no array of type, name and numbers; teach "
                    "abigate/face.py the layout of this kernel's struct trace_event_fields")
    lines = []
    for offset in pointers[::2]:
        field = symbol.place._replace(offset=offset)
        kind, name = (module.string(module.follow(field.plus(part), "a field"))
                      for part in (0, _FIELD_NAME))
        size = module.number(field.plus(_FIELD_SIZE), 4)
        sign = "signed" if module.number(field.plus(_FIELD_SIGNED), 1) & 1 else "unsigned"
        lines.append(f"field {kind} {name}; size {size}, {sign}")
    return lines
