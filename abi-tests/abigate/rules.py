# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue: every rule, who breaks when it is broken, and the compatible way."""

from __future__ import annotations

from typing import NamedTuple

SOURCE, BINARY, PROCESS = "source", "binary", "process"


class Rule(NamedTuple):
    purpose: str                    # what holds
    category: tuple[str, ...]       # source: it no longer compiles; binary: it reads wrong
    breaks: str
    instead: str


_BOTH = (SOURCE, BINARY)
_OLD_PROGRAM = "Programs that were compiled before and are not compiled again"
_NEW_NAME = "Add a new name beside the old one, and leave the old one as it is."
_NEW_RECORD = ("Leave the struct as it is and add another one: here, a capability with an id of its "
               "own. A record that only this header defines may grow at its end with a raised version.")
_KEEP = "Keep it, and mark it deprecated in the spec."

RULES = {
    # Names and numbers of a header.
    "HEADER_BROKEN": Rule(
        "The header compiles for everybody it compiled for.", (SOURCE,),
        "Every program that includes the header.",
        "Make it compile in the configuration that is named; C90 and C++11 count as well."),
    "MACRO_REMOVED": Rule(
        "A macro that was defined stays defined.", (SOURCE,),
        "Programs that use the name: it is undeclared, or their #ifdef takes the other branch.",
        _KEEP),
    "MACRO_VALUE_CHANGED": Rule(
        "A number stays what it is.", (BINARY,),
        f"{_OLD_PROGRAM}: they mean the old number, and the kernel takes it for something else.",
        _NEW_NAME),
    "MACRO_TYPE_CHANGED": Rule(
        "A number keeps its type.", (SOURCE,),
        "Comparisons, shifts and printf formats of programs that are compiled again.",
        "Leave the suffix or the cast as it was."),
    "MACRO_TEXT_CHANGED": Rule(
        "A macro that is no number keeps its text.", (SOURCE,),
        "Programs that use the macro: it may mean something else now.", _NEW_NAME),
    "ENUMERATOR_REMOVED": Rule(
        "An enumerator that was defined stays defined.", (SOURCE,),
        "Programs that use the name.", _KEEP),
    "ENUMERATOR_VALUE_CHANGED": Rule(
        "An enumerator keeps its value.", (BINARY,),
        f"{_OLD_PROGRAM}: they mean the old number.", "Add new enumerators at the end."),
    "TYPE_REMOVED": Rule(
        "An enum or typedef that was defined stays defined.", (SOURCE,),
        "Programs that use the name.", _KEEP),
    "TYPE_CHANGED": Rule(
        "An enum or typedef stays what it is.", _BOTH,
        "Programs that use the type: its width, sign or meaning is another.", _NEW_NAME),
    # Structs.
    "STRUCT_REMOVED": Rule(
        "A struct that was defined stays defined.", (SOURCE,),
        "Programs that use the struct: its type is incomplete.", _KEEP),
    "STRUCT_SIZE_CHANGED": Rule(
        "A struct keeps its size.", (BINARY,),
        f"{_OLD_PROGRAM}: sizeof, arrays and what follows the struct in a buffer.", _NEW_RECORD),
    "STRUCT_ALIGNMENT_CHANGED": Rule(
        "A struct keeps its alignment.", (BINARY,),
        "Structs of others that contain it: their members move.",
        "Pad by hand, and use __aligned_u64 for 64-bit members from the first version on."),
    "STRUCT_SHAPE_CHANGED": Rule(
        "A struct keeps its form, down to unions and attributes.", (SOURCE,),
        "Initializers, and programs in languages without anonymous unions.",
        "Leave the declaration as it is."),
    "STRUCT_CHANGED": Rule(
        "A struct stays what it is.", _BOTH, _OLD_PROGRAM + ".", _NEW_RECORD),
    "FIELD_REMOVED": Rule(
        "A field that was there stays there.", _BOTH,
        "Programs that read the field; old ones read whatever lies there now.",
        "Keep the field and its place, and go on filling it."),
    "FIELD_RENAMED": Rule(
        "A field keeps its name.", (SOURCE,),
        "Programs that name the field; designated initializers too.",
        "Keep the name. The documentation can name a better one."),
    "FIELD_MOVED": Rule(
        "A field keeps its offset.", (BINARY,),
        f"{_OLD_PROGRAM}: they read another field's bytes.",
        "Keep the order; add at the end only."),
    "FIELD_SIZE_CHANGED": Rule(
        "A field keeps its size.", (BINARY,),
        f"{_OLD_PROGRAM}: they read too few bytes, or the neighbour's.", _NEW_RECORD),
    "FIELD_SIGN_CHANGED": Rule(
        "A field stays signed or unsigned.", _BOTH,
        "Large values turn negative, or the other way round; pointers to the field do not fit.",
        "Keep the type."),
    "FIELD_ALIGNMENT_CHANGED": Rule(
        "A field keeps its alignment.", (BINARY,),
        "Structs that contain it, and compilers that rely on it.",
        "Keep the attributes of the field."),
    "FIELD_TYPE_CHANGED": Rule(
        "A field keeps its type, even where another one has the same size.", (SOURCE,),
        "Pointers to the field and printf formats, on some architectures only.",
        "Keep the type; __u64 and unsigned long are not the same everywhere."),
    "FIELD_ENDIANNESS_CHANGED": Rule(
        "A field keeps its byte order.", (BINARY,),
        "Everybody whose processor has the other byte order; sparse objects to the rest.",
        "Keep the type, native or __le/__be."),
    "FIELD_INSERTED": Rule(
        "Nothing comes in between the fields there are.", (BINARY,),
        f"{_OLD_PROGRAM}: they read the new field as an old one.", "Add at the end only."),
    "FIELD_APPENDED": Rule(
        "A struct grows only with a version that names it.", (BINARY,),
        "Programs that cannot distinguish the longer struct from the shorter one.",
        _NEW_RECORD),
    "NAME_FOREIGN": Rule(
        "New names start with vfio or VFIO.", (SOURCE,),
        "Programs that have a thing of that name themselves.", "Choose a name with the prefix."),
    "SPEC_HEADER_DIFFER": Rule(
        "The header says what the spec says, with the system's definitions and without.", _BOTH,
        "Programs: they are compiled with one thing, and the driver works by the other.",
        "Run `make generate`. When the system's own <linux/vfio.h> differs, the spec has to "
        "change, or the name in it."),
    "SYSTEM_ALIGNMENT": Rule(
        "The system's <linux/vfio.h> aligns 64-bit members like the spec.", (BINARY,),
        "On i386 only, and only structs of others that contain the record: up to Linux 6.1 the "
        "kernel typed the members __u64, which i386 aligns to 4 and everybody else to 8.",
        "Nothing to do; a record of a chain starts at a multiple of 8 in any case."),
    # The spec.
    "SPEC_INVALID": Rule(
        "The spec keeps the rules of specs.", (PROCESS,),
        "Everybody: no header can be made from it.",
        "`python3 -m codegen check` gives cause and cure."),
    "ABI_VERSION_LOWERED": Rule(
        "The version of the interface never goes back.", (PROCESS,),
        "Programs that ask for it, and packages that depend on it.", "Take the next version."),
    "ABI_VERSION_NOT_RAISED": Rule(
        "What is new came with a new version.", (PROCESS,),
        "Programs that ask with #if whether the new thing is there.",
        "Raise abi.version by 1, describe it in abi.history, and date what is new with since."),
    "HISTORY_CHANGED": Rule(
        "The history of released versions is kept.", (PROCESS,),
        "Readers of the documentation.", "Leave old entries; add one for the new version."),
    "SINCE_CHANGED": Rule(
        "When a thing came does not change afterwards.", (PROCESS,),
        "Programs that decide by it which kernel they need.", "Leave since as it was released."),
    "CAP_REMOVED": Rule(
        "A capability stays defined.", (SOURCE,), "Programs that read the record.", _KEEP),
    "CAP_ID_CHANGED": Rule(
        "A capability keeps its id.", (BINARY,),
        f"{_OLD_PROGRAM}: they do not find the record, or take another one for it.",
        "Leave the id. A new record gets an id that was never used."),
    "CAP_NAME_CHANGED": Rule(
        "A capability keeps the names of its constant and its struct.", (SOURCE,),
        "Programs that use the names.", "Leave the names."),
    "CAP_VERSION_LOWERED": Rule(
        "A record's version never goes back.", (BINARY,),
        "Programs that require the version they were written for.", "Leave the version."),
    "CAP_SHRUNK": Rule(
        "A record never gets shorter.", (BINARY,),
        f"{_OLD_PROGRAM}: they read behind the record.", "Keep the fields, reserved if need be."),
    "CAP_GREW_UNVERSIONED": Rule(
        "A longer record has a higher version.", (BINARY,),
        "Programs that have to know whether the new fields are there.",
        "Raise the capability's version and date the new fields with it."),
    "RECORD_FIELD_CHANGED": Rule(
        "What a released field of a record is does not change.", (BINARY,),
        f"{_OLD_PROGRAM}: they read it as what it was.", _NEW_RECORD),
    "FIELD_SOURCE_CHANGED": Rule(
        "A field is filled from the value it was always filled from.", (BINARY,),
        "Programs: layout and name are the same, and the meaning is not.",
        "Add a field for the other value."),
    "VALUE_CHANGED": Rule(
        "A value that fields are filled from keeps its type.", (BINARY,),
        "The driver: it would cut the value off.", "Add another value."),
    "REGION_REMOVED": Rule(
        "A region stays there.", (BINARY,), "Programs that look for it.", _KEEP),
    "REGION_TYPE_CHANGED": Rule(
        "A region keeps its type and subtype.", (BINARY,),
        f"{_OLD_PROGRAM}: they do not find the region.", "Add another region."),
    "REGION_FLAGS_CHANGED": Rule(
        "What can be done with a region can be done from then on.", (BINARY,),
        "Programs that read, write or map it.", "Keep the flags; another region can have others."),
    "REGION_MEMORY_CHANGED": Rule(
        "A region's memory type stays.", (BINARY,),
        "Programs that rely on ordering, atomics or unaligned access.", "Add another region."),
    "REGION_SIZE_CHANGED": Rule(
        "A region's size comes from where it always came from.", (BINARY,),
        "Programs that compare the size with what they know of the device.",
        "Add another region."),
    "REGION_CAP_REMOVED": Rule(
        "A region goes on carrying the capabilities it has.", (BINARY,),
        "Programs that need the record; QEMU does not start the guest without them.", _KEEP),
    "REGION_CAP_ORDER_CHANGED": Rule(
        "The records of a chain keep their order; new ones come last.", (BINARY,),
        "Programs that take the first record for the one it always was, and recorded answers.",
        "Add at the end of the list."),
    "NUMBER_CHANGED": Rule(
        "A constant, subtype, vendor or link speed keeps its number.", (BINARY,),
        f"{_OLD_PROGRAM}: they mean the old number.", _NEW_NAME),
    "NUMBER_REMOVED": Rule(
        "A constant, subtype, vendor or link speed stays defined.", (SOURCE,),
        "Programs that use the name.", _KEEP),
    "NUMBER_NOT_RESERVED": Rule(
        "A number or name that was given up is reserved.", (PROCESS,),
        "Nobody today; whoever gives it out again later breaks the programs of before.",
        "Enter it under reserved."),
    "RESERVED_DROPPED": Rule(
        "What is reserved stays reserved.", (PROCESS,),
        "Nobody today; whoever gives it out again later breaks the programs of before.",
        "Put the entry back."),
    "RESERVED_REUSED": Rule(
        "What was reserved is not put to use.", (BINARY,),
        f"{_OLD_PROGRAM}, for which it meant something else or had to be 0.",
        "Take a number that was never used; of a record's padding, add a field at the end."),
    "PCI_ID_REMOVED": Rule(
        "A device that was served is served.", (BINARY,),
        "Owners of the device: the module is not loaded for it.", "Keep the id."),
    "DT_STRICTER": Rule(
        "Firmware that was good enough stays good enough.", (BINARY,),
        "Owners of machines with that firmware: the device cannot be opened.",
        "Make the property optional, or its check a warning."),
    "DT_CHANGED": Rule(
        "A device-tree property keeps its type and meaning.", (BINARY,),
        "Owners of machines with firmware of before.", "Read another property beside it."),
    "CORE_CHANGED": Rule(
        "What is taken from <linux/vfio.h> is what the kernel has.", (BINARY,),
        "Everybody: it is not ours to change.", "Put it back; the ABI gate compares it with the system."),
    # The module: abi-tests/face.
    "FACE_MODULE_REMOVED": Rule(
        "A module stays there.", (BINARY,), "Whatever loads it.", "Keep it, or leave an alias."),
    "FACE_EXPORT_REMOVED": Rule(
        "A symbol that was exported stays exported.", _BOTH,
        "Modules that use it: they no longer load.", "Keep it, and have it call the new one."),
    "FACE_EXPORT_CHANGED": Rule(
        "A symbol keeps its prototype, and those it is exported to.", _BOTH,
        "Modules built against the old one, or of another licence.", "Export another symbol."),
    "FACE_TYPE_REMOVED": Rule(
        "A type that modules exchange stays there.", _BOTH, "Modules that exchange it.", "Keep it."),
    "FACE_TYPE_CHANGED": Rule(
        "A type that modules exchange keeps its members.", _BOTH,
        "Modules built against the old one: they pass or read the wrong bytes.",
        "Export another symbol with another type."),
    "FACE_ALIAS_REMOVED": Rule(
        "The module goes on answering to its aliases.", (BINARY,),
        "Owners of the device: udev and libvirt no longer find the module for it.",
        "Keep the PCI id."),
    "FACE_PARAM_REMOVED": Rule(
        "A parameter stays there.", (BINARY,),
        "modprobe.d, kernel command lines and scripts that set it.",
        "Keep it, accept it, and say in the log that it does nothing."),
    "FACE_PARAM_CHANGED": Rule(
        "A parameter keeps its type, permissions and meaning.", (BINARY,),
        "modprobe.d, kernel command lines and scripts that set it.", "Add another parameter."),
    "FACE_TRACE_REMOVED": Rule(
        "A tracepoint stays there.", (BINARY,), "Scripts that enable it.", "Keep it."),
    "FACE_TRACE_FIELD_REMOVED": Rule(
        "A tracepoint's field stays there.", (BINARY,), "Scripts that name it.", "Keep it."),
    "FACE_TRACE_FIELD_CHANGED": Rule(
        "A tracepoint's field keeps its type.", (BINARY,),
        "Scripts that filter on it, or read records by their bytes.", "Add a field at the end."),
    "FACE_TRACE_FIELD_MOVED": Rule(
        "A tracepoint's fields keep their order.", (BINARY,),
        "What reads records by their bytes.", "Add fields at the end."),
    "FACE_TRACE_PRINT_CHANGED": Rule(
        "A tracepoint prints what it printed.", (BINARY,),
        "Scripts that read the text of the trace.", "Add to the end of the line."),
    "FACE_OTHER": Rule(
        "What else a module says of itself changes with the file.", (PROCESS,),
        "Whoever relies on it.", "`make abi-face`, in the same commit."),
    "FACE_ADDED": Rule(
        "What is new in a module's face is in the file.", (PROCESS,),
        "Nobody; but what is shown once has to stay.", "`make abi-face`, in the same commit."),
    # The ABI gate's own.
    "EXCEPTION_EXPIRED": Rule(
        "An exception ends on its day.", (PROCESS,),
        "Nobody; what it allowed is no longer looked at.",
        "Remove it, or give reason and day anew and have that reviewed."),
    "EXCEPTION_UNUSED": Rule(
        "An exception allows something that is there.", (PROCESS,),
        "Nobody; but it would allow the next change of that kind unseen.", "Remove it."),
}

#: A vague finding -> the exact ones that say the same better.
ABSORBS = {
    "FIELD_REMOVED": ("FIELD_RENAMED", "STRUCT_REMOVED"),
    "FIELD_TYPE_CHANGED": ("FIELD_SIGN_CHANGED", "FIELD_SIZE_CHANGED", "FIELD_ENDIANNESS_CHANGED",
                           "FIELD_REMOVED", "FIELD_RENAMED"),
    "STRUCT_CHANGED": ("STRUCT_REMOVED", "STRUCT_SIZE_CHANGED", "STRUCT_ALIGNMENT_CHANGED",
                       "FIELD_REMOVED", "FIELD_RENAMED", "FIELD_MOVED", "FIELD_SIZE_CHANGED",
                       "FIELD_SIGN_CHANGED", "FIELD_ALIGNMENT_CHANGED", "FIELD_TYPE_CHANGED",
                       "FIELD_ENDIANNESS_CHANGED", "FIELD_INSERTED", "FIELD_APPENDED",
                       "STRUCT_SHAPE_CHANGED"),
}

#: Reported, but no reason to fail: it is known, and nobody can change it.
NOTES = frozenset({"SYSTEM_ALIGNMENT"})
