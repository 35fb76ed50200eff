# SPDX-License-Identifier: GPL-2.0-only
"""
The table of `make check`: for each file of the tree the quick tests that a change of it can fail.

Every line whose pattern fits a file counts. `*` stands for a part of a name, `**/` for any folders.
A file that no line fits selects everything. The budgets on an idle machine with two cores: a minute
for a template of the generator, a file of the ABI gate or of the tool; two for a file of the driver.
"""

from typing import NamedTuple

KERNEL = "6.12-64k"


class Rule(NamedTuple):
    """
    `tests` are arguments of pytest; `suites` run whole, as `suite` on 6.12-64k or `flavour/suite`;
    `lint` names checks of `make lint`; `left` says in words what a change can fail beside.
    `mutants`: the tests that catch the driver's mutants of the file are selected by name.
    """
    files: str
    tests: str = ""
    suites: str = ""
    lint: str = ""
    left: str = ""
    mutants: bool = False


_SPARSE = f"gcc-sparse-{KERNEL}"
_GATE = "abi-tests/selftest/test_gate.py::"
#: The ABI gate's verdict on the tree, which is what changes.yaml changes.
VERDICT = f"{_GATE}test_the_tree_is_compatible_with_its_release_and_it_is_quick"
GATE_CHANGES = "abi-tests/selftest/test_changes.py"
_GATE_QUICK = " ".join((
    VERDICT, *(f"{_GATE}{name}" for name in (
        "test_a_finding_says_it_all", "test_architectures_differ", "test_help_and_rules",
        "test_every_rule_is_documented", "test_json"))))
_GATE_LEFT = "the ABI gate's other changes and commands (abi-tests/selftest)"
_FACE = f"abi-tests/selftest/test_face.py::test_committed_face_fits_the_modules[{KERNEL}]"
#: Mutants of what is built into kernels fit the sources.
KERNEL_MUTANTS = "tests/lab/test_mutants.py::test_mutant_fits_and_test_mutants_compiles_it"
_INFO = " ".join(f"tests/tools/test_info_{name}.py" for name in (
    "devices", "errors", "from", "manual", "watch"))
# What is in the machine, how it is built, booted and judged: the smallest suite shows that it works.
_MACHINE = "topology"
_DECODER = ("tests/decoder/test_decoder.py::test_decoder tests/decoder/test_decoder.py::"
            "test_decoder_run_is_clean tests/decoder/test_decoder.py::"
            "test_decoder_every_file_has_its_tests")
_GOLDEN = "codegen/tests/test_golden.py tests/tools/test_info_from.py"
_RECORDS = "abi-tests/selftest/test_compat.py abi-tests/selftest/test_compat_driver.py"

RULES = (
    # The driver.
    Rule("kernel/*.[ch]",
         "tests/test_index_from_user_D28.py tests/test_defects.py tests/docs/test_messages.py "
         f"tests/docs/test_sysfsdocs.py {_FACE}", "basic", _SPARSE,
         "the other suites and kernels, clang, checkpatch, coccinelle, DKMS, in-tree builds", True),
    *(Rule(f"kernel/{name}", suites=suites) for name, suites in (
        ("atsd.c", ""), ("gate.c", "fault"), ("gpu_ram.c", "dma fault"), ("gpu_ram.h", "fault"),
        ("gpu_ram_fault.c", "fault"), ("gpu_ram_rw.c", "fault"), ("lpar.c", ""), ("main.c", ""),
        ("npu.c", ""),
        ("platform.[ch]", ""), ("registration.c", "dma"), ("topology.[ch]", "topology"),
        ("compat.h", "dma fault"), ("device.h", "dma fault"), ("nvlink2.h", "dma fault"),
        ("range.h", "fault"), ("region.h", "topology"), ("trace.h", ""))),
    Rule("kernel/range.h", "tests/range"),
    Rule("kernel/range_kunit.c", "tests/range"),
    Rule("kernel/*_kunit.c", "tests/lab/test_kunit.py", "6.12-debug/kunit"),
    Rule("kernel/compat.h", "tests/lab/test_check_kernel.py tests/tools/test_intree_resolve.py"),
    Rule("kernel/sim/**", "tests/test_contract.py tests/test_defects.py", "basic dma", _SPARSE,
         "the other suites and kernels, checkpatch, coccinelle"),
    Rule("kernel/Kbuild", "tests/lab/test_check_kernel.py tests/tools/test_intree.py", _MACHINE, _SPARSE,
         "DKMS, packages, in-tree builds, the other kernels"),
    Rule("kernel/Kconfig", "tests/tools/test_intree.py", left="in-tree builds (`make test-in-tree`)"),
    Rule("kernel/Makefile", "tests/lab/test_check_kernel.py", _MACHINE, left="DKMS, packages"),
    Rule("kernel/check-kernel.sh", "tests/lab/test_check_kernel.py", _MACHINE, "shellcheck",
         "DKMS, packages"),
    Rule("kernel/patches/**", "tests/lab/test_kernelbugs.py", left="the debug kernels, the patch series"),
    Rule("kernel/powernv/**", f"tests/lab/test_npu2*.py {KERNEL_MUTANTS}",
         left="`make test-npu2`, `make test-mutants`, the patch series"),
    Rule("kernel/v5_10/**", f"tests/tools/test_intree_5_10.py {KERNEL_MUTANTS}",
         left="`make test-reference`, `make test-mutants`"),

    # What the spec makes, and the generator.
    Rule("spec/**", f"codegen/tests/test_generate.py codegen/tests/test_rules*.py "
         f"codegen/tests/test_schema.py codegen/tests/test_golden.py tests/test_contract.py {VERDICT}",
         left="the other tests of the generator, and what reads generated files: those are selected "
              "when they change"),
    Rule("uapi/**", f"codegen/tests/test_generate.py {VERDICT} tests/clients/test_importers.py",
         _MACHINE, left="QEMU's source, every compiler (tests/uapi), programs of other versions "
         "(abi-tests/selftest/test_compat*.py), other suites"),
    Rule("generated/kernel/**", f"codegen/tests/test_generate.py codegen/tests/test_marshalling.py "
         f"tests/test_defects.py tests/test_index_from_user_D28.py {_FACE}", "basic", _SPARSE,
         "the other suites and kernels, clang, checkpatch, DKMS, in-tree builds", True),
    Rule("generated/user/**", f"codegen/tests/test_generate.py {_GOLDEN} {_DECODER} "
         "tests/clients/test_importers.py", left="mutants of the decoder, fuzzing, QEMU's source"),
    Rule("generated/abi/**", f"codegen/tests/test_generate.py codegen/tests/test_layout.py {VERDICT}"),
    Rule("generated/docs/**", "codegen/tests/test_generate.py", left="the manual"),
    Rule("codegen/templates/*.j2", "codegen/tests/test_generate.py",
         left="tests of generated files: those are selected when they change"),
    *(Rule(f"codegen/templates/{name}.j2", tests) for name, tests in (
        ("common", f"codegen/tests/test_marshalling.py codegen/tests/test_evolution.py {_GOLDEN}"),
        ("contract.h", "tests/test_contract.py codegen/tests/test_marshalling.py"),
        ("ctypes.py", "tests/clients/test_importers.py codegen/tests/test_golden.py"),
        ("decode.h", f"codegen/tests/test_evolution.py {_DECODER}"),
        ("golden.rst", "codegen/tests/test_golden.py"),
        ("layout.c", "codegen/tests/test_layout.py"),
        ("interface.rst", "codegen/tests/test_evolution.py"),
        ("regions.h", "codegen/tests/test_marshalling.py codegen/tests/test_evolution.py"),
        ("uapi.h", f"codegen/tests/test_evolution.py codegen/tests/test_layout.py {VERDICT}"))),
    Rule("codegen/*.py", "codegen/tests/test_generate.py codegen/tests/test_cli.py", lint="python-syntax",
         left="pylint, Debian 13's libraries"),
    *(Rule(f"codegen/{name}.py", " ".join(f"codegen/tests/test_{test}.py" for test in tests.split()))
      for name, tests in (
          ("__init__", "loader"), ("__main__", "cli"), ("build", "loader layout rules*"),
          ("cli", "rules"), ("errors", "loader rules*"), ("golden", "golden marshalling"),
          ("layout", "layout rules*"), ("loader", "loader rules"), ("model", "layout rules* golden"),
          ("render", "marshalling evolution golden"), ("rules", "rules*"),
          ("rules_device_tree", "rules*"), ("rules_names", "rules*"), ("rules_records", "rules*"),
          ("rules_regions", "rules*"), ("schema", "schema loader rules"), ("tree", "loader"))),
    Rule("codegen/tests/test_*.py", "{file}", lint="python-syntax", left="pylint"),
    Rule("codegen/tests/test_*.py", "codegen/tests/test_rules.py"),
    Rule("codegen/tests/*.py", "codegen/tests/test_*.py", lint="python-syntax", left="pylint"),
    Rule("codegen/tests/data/**", "codegen/tests/test_marshalling.py codegen/tests/test_golden.py"),
    Rule("codegen/tests/shim/**", "codegen/tests/test_marshalling.py codegen/tests/test_evolution.py"),

    # The ABI gate. Its 190 changes take minutes; a few of each file's own are chosen (affected.py).
    Rule("abi-tests/abigate/**", f"{_GATE_QUICK} {GATE_CHANGES}", lint="python-syntax",
         left=f"{_GATE_LEFT}, pylint"),
    Rule("abi-tests/abigate/facediff.py", "abi-tests/selftest/test_facediff.py"),
    Rule("abi-tests/abigate/face.py", f"abi-tests/selftest/test_facediff.py {_FACE}"),
    Rule("abi-tests/abigate/modulefile.py", f"abi-tests/selftest/test_modulefile.py {_FACE}"),
    Rule("abi-tests/abigate/prototypes.py", f"abi-tests/selftest/test_modulefile.py {_FACE}"),
    Rule("abi-tests/abigate/output.py", f"{_GATE}test_sarif {_GATE}test_github "
         f"{_GATE}test_formats_of_no_finding"),
    Rule("abi-tests/abigate/exceptions.py", f"{_GATE}test_exceptions_allow {_GATE}"
         f"test_exceptions_that_are_findings "
         f"{_GATE}test_exceptions_that_are_not_understood"),
    Rule("abi-tests/abigate/release.py", "abi-tests/selftest/test_gate_release.py::test_a_new_release"),
    Rule("abi-tests/gate", _GATE_QUICK, lint="python-syntax", left=_GATE_LEFT),
    Rule("abi-tests/face", f"{_FACE} abi-tests/selftest/test_face.py::test_command_without_what_it_needs",
         lint="python-syntax", left="the other kernels' faces"),
    Rule("abi-tests/matrix", lint="python-syntax", left="the matrix itself: all of the ABI gate's changes"),
    Rule("abi-tests/MATRIX.md", left="test_matrix_is_up_to_date: all of the ABI gate's changes"),
    Rule("abi-tests/changes.yaml", GATE_CHANGES, left="the ABI gate's other changes"),
    Rule("abi-tests/exceptions.yaml", VERDICT),
    Rule("abi-tests/module-face.txt", f"{_FACE} tests/docs/test_sysfsdocs.py",
         left="the other kernels' faces"),
    Rule("abi-tests/baselines/**", f"{VERDICT} abi-tests/selftest/test_gate_release.py::"
         f"test_the_release_in_the_tree_is_readable {GATE_CHANGES}", left=_GATE_LEFT),
    Rule("abi-tests/examples/**", "abi-tests/selftest/test_examples.py"),
    Rule("abi-tests/selftest/test_*.py", "{file}", lint="python-syntax", left="pylint"),
    Rule("abi-tests/selftest/__init__.py", VERDICT),
    Rule("abi-tests/selftest/command.py", _GATE_QUICK, lint="python-syntax", left=_GATE_LEFT),
    Rule("abi-tests/selftest/changes.py", GATE_CHANGES, lint="python-syntax", left=_GATE_LEFT),
    Rule("abi-tests/selftest/systems.py", "abi-tests/selftest/test_replays.py", lint="python-syntax"),
    *(Rule(f"abi-tests/selftest/{name}", f"{_RECORDS} abi-tests/selftest/test_compat_records.py",
           lint="python-syntax") for name in ("compat.py", "conftest.py")),
    Rule("abi-tests/selftest/data/**", f"{_RECORDS} abi-tests/selftest/test_compat_records.py"),

    # The tool, and what brings the driver to others.
    Rule("tools/nvlink2-info/*.[ch]", _INFO, left="nvlink2-info in the machine (suite clients), packages"),
    Rule("tools/nvlink2-info/show_dot.c", "tests/docs/test_topology.py"),
    Rule("tools/nvlink2-info/Makefile", "tests/tools/test_info_manual.py tests/packaging/test_install.py",
         left="packages"),
    Rule("tools/nvlink2-info/nvlink2-info.1", "tests/tools/test_info_manual.py"),
    Rule("tools/nvlink2-info/nvlink2-info.bash", "tests/tools/test_info_manual.py", lint="shellcheck"),
    Rule("packaging/deb.py", "tests/packaging/test_deb.py", lint="python-syntax"),
    Rule("tools/intree/**", "tests/tools/test_intree.py tests/tools/test_intree_resolve.py "
         "tests/tools/test_intree_5_10.py tests/tools/test_intree_series.py", lint="python-syntax",
         left="pylint, `make test-in-tree`, `make test-reference`"),
    Rule("packaging/**", "tests/packaging/test_install.py tests/packaging/test_version.py",
         left="the Debian packages and DKMS (tests/packaging)"),
    Rule("packaging/dkms.conf", "tests/packaging/test_dkms.py::test_dkms_conf_asks_for_what_the_build_"
         "asks_for"),
    Rule("packaging/debian/**", "tests/packaging/test_deb.py"),
    Rule("examples/**", "tests/packaging/test_examples.py tests/packaging/test_install.py", "examples"),
    Rule("examples/regions.py", lint="python-syntax", left="pylint"),
    Rule("VERSION", "tests/packaging/test_version.py"),
    Rule("CHANGELOG.md", "tests/packaging/test_version.py"),

    # The tests themselves.
    Rule("tests/**/test_*.py", "{file}", lint="python-syntax", left="pylint"),
    Rule("tests/test_*.py", "{file}", lint="python-syntax", left="pylint"),
    Rule("tests/test_guest.py", suites=_MACHINE, left="the other suites and kernels"),
    Rule("lab/mutants/mutants.yaml", "tests/test_defects.py tests/lab/test_affected.py",
         left="the mutants themselves (`make test-mutants`)"),
    Rule("conftest.py", "tests/lab/test_conftest.py"),
    Rule("tests/budgets.json", "tests/lab/test_report.py"),
    Rule("tests/long-runs.json", "tests/lab/test_longruns.py"),
    Rule("setup.sh", "abi-tests/selftest/test_examples.py::test_examples_install_what_is_needed",
         lint="shellcheck"),
    Rule("tests/sanitized.py", f"tests/range {_DECODER}", lint="python-syntax"),
    Rule("tests/**/__init__.py", "tests/lab/test_cli.py"),
    Rule("tests/__init__.py", "tests/lab/test_cli.py"),
    Rule("lab/**/*.py", "tests/lab/test_{stem}.py tests/lab/test_cli.py", lint="python-syntax",
         left="pylint, what else uses it"),
    Rule("lab/check/*.py", "tests/lab/test_affected.py"),
    *(Rule(f"lab/**/{name}.py", tests, suites) for name, tests, suites in (
        ("apt", "tests/lab/test_fetch.py", ""), ("build", "", _MACHINE), ("cpio", "", _MACHINE),
        ("devicetree", "", _MACHINE), ("flavours", "", _MACHINE), ("judge", "", _MACHINE),
        ("limits", "", _MACHINE), ("machine", "", _MACHINE), ("qemu", "", _MACHINE),
        ("suites", "tests/lab/test_kernelstable.py", _MACHINE), ("suite", "", _MACHINE),
        ("race", "tests/lab/test_suites.py", ""), ("clients", "", "clients"),
        ("examples", "", "examples"), ("bench", "", "bench"), ("mirror", "tests/lab/test_fetch.py", ""),
        ("privateroot", "tests/lab/test_clients.py", ""), ("unpack", "tests/lab/test_fetch.py", ""),
        ("mutants", "tests/test_defects.py", ""), ("paths", "", _MACHINE), ("progress", "", _MACHINE),
        ("report", "tests/lab/test_conftest.py", ""), ("schedule", "", _MACHINE),
        ("recompile", "tests/lab/test_mutants.py", ""), ("relink", "tests/lab/test_mutants.py", ""),
        ("sourcepackage", "tests/lab/test_debugkernel.py", ""))),
    Rule("lab/rehearsal/*.py", "tests/lab/test_long_targets.py"),
    Rule("lab/lint/typed.py", "tests/lab/test_lint.py", lint="mypy"),
    Rule("mypy.ini", "tests/lab/test_lint.py", lint="mypy"),
    Rule("lab/lint/compilers.py", lint=_SPARSE),
    Rule("lab/lint/coccinelle.py", "tests/lab/test_lint.py", lint="coccinelle"),
    Rule("lab/lint/lint.py", lint="shellcheck"),
    Rule("lab/kernels/debug*.config", "tests/lab/test_debugkernel.py", left="the debug kernels themselves"),
    Rule("lab/**/[cipr]*.config", "tests/lab/test_debugkernel.py", left="the kernels themselves"),
    Rule("lab/kernels/npu2*", "tests/lab/test_debugkernel.py", left="`make test-npu2`"),
    Rule("lab/npu2/**", "tests/lab/test_npu2*.py tests/lab/test_exports.py",
         lint="python-syntax", left="pylint, `make test-npu2`"),
    Rule("lab/versus/**", "tests/lab/test_versus.py", lint="python-syntax",
         left="pylint, `make test-reference`"),
    Rule("lab/versus/recorded/**", "tests/lab/test_versus.py tests/lab/test_npu2_run.py "
         "codegen/tests/test_golden.py", left="`make test-reference`, `make test-npu2`"),
    Rule("lab/bench/*.py", "tests/bench tests/lab/test_bench.py", lint="python-syntax", left="pylint"),
    Rule("lab/bench/ratios.json", "tests/lab/test_bench.py", "bench"),
    Rule("lab/bench/module/**", "", "bench", _SPARSE, "checkpatch, the other kernels"),
    Rule("tests/clients/*.py", "tests/clients/test_importers.py tests/clients/test_qemu_source.py",
         lint="python-syntax", left="pylint"),
    Rule("tests/clients/importer.cpp", "tests/clients/test_importers.py"),
    Rule("tests/clients/verdicts.c", "tests/clients/test_importers.py"),
    Rule("tests/clients/qemu_harness.c", "tests/clients/test_qemu_source.py"),
    Rule("tests/clients/keep_region_info.c", suites="clients"),
    Rule("tests/clients/kvmguest.c", suites="kvm"),
    Rule("tests/decoder/**", "tests/decoder/test_decoder.py tests/decoder/test_libfuzzer.py"),
    Rule("tests/docs/*.py", "tests/docs/test_messages.py tests/docs/test_topology.py",
         lint="python-syntax", left="pylint, the manual"),
    Rule("docs/builder/*.py", "tests/docs/test_sysfsdocs.py tests/docs/test_messages.py "
         "tests/docs/test_topology.py", lint="python-syntax", left="pylint, the manual"),
    Rule("tests/packaging/*.py", "tests/packaging/test_install.py", lint="python-syntax", left="pylint"),
    Rule("lab/packages/cleanroot.*", "tests/lab/test_long_targets.py", left="`make test-deb`"),
    Rule("tests/range/**", "tests/range"),
    Rule("tests/tools/*.py", _INFO, lint="python-syntax", left="pylint"),
    Rule("tests/tools/trees.py", "tests/tools/test_intree.py tests/tools/test_intree_5_10.py"),
    Rule("tests/tools/fake_vfio.c", _INFO),
    Rule("tests/uapi/**", "tests/uapi", lint="python-syntax", left="pylint"),

    # The programs in the machine: those with tests select the suites that run these.
    Rule("tests/guest/*.[ch]", "tests/test_defects.py tests/test_contract.py "
         "tests/test_guest.py::test_case_names_do_not_collide",
         left="the other suites and kernels, docs/kernels.md's counts"),
    *(Rule(f"tests/guest/{name}", suites=suites) for names, suites in (
        ("test_atsd.c test_blocked.c test_flaw.c test_gpu_ram*.c test_life.c test_lpar.c test_map.c "
         "test_links.c reset_check.c test_partition.c test_refs.c test_region.c test_reset.c "
         "test_rw_limits.c test_trace.c "
         "child.c", "basic"),
        ("hooks.c", "basic fault"), ("device.c machine.c nvtest.[ch]", "basic dma topology"),
        ("init.c", _MACHINE), ("test_fault*.c test_copy_map.c fault.[ch]", "fault"),
        ("test_dma.c test_quarantine.c dma.c", "dma"), ("test_topology.c two_gpus.[ch]", "topology"),
        ("test_walker.c test_watch.c test_qemu.c qemu*.[ch]", "clients"), ("test_kvm.c", "kvm"),
        ("test_examples.c", "examples"),
        ("test_race.c race.[ch]", "7.2-4k/race"), ("test_failnth*.c failnth.h", "6.12-debug/failnth"),
        ("test_kernel_bugs.c", "6.12-debug/kernelbugs"), ("attack*.[ch]", "6.12-debug/attack"),
        ("bench*.[ch]", "bench")) for name in names.split()),
    Rule("tests/guest/demo.c", "tests/test_guest.py::test_demo_shows_the_machine"),
    Rule("tests/guest/*npu2*", left="`make test-npu2`"),
    Rule("tests/guest/test_in_vfio_pci.c", left="`make test-reference`"),
    Rule("tests/guest/transcript.c", left="`make test-reference`"),

    # The page that a test compares with something else.
    Rule("docs/abi-gate.md", f"{_GATE}test_every_rule_is_documented"),
    Rule("docs/defects.md", "tests/test_defects.py"),
    Rule("docs/from-zero.md", "tests/docs/test_from_zero.py", left="its script in the machine"),
    Rule("docs/structure.md", "tests/lab/test_structure.py"),
    Rule("docs/kernels.md", "tests/lab/test_kernelstable.py"),
    Rule("docs/performance**", "tests/bench/test_page.py"),
    Rule("docs/spec.md", "codegen/tests/test_rules.py"),
    Rule("docs/topology.*", "tests/docs/test_topology.py"),
    Rule("docs/troubleshooting.md", "tests/docs/test_messages.py"),
    Rule("docs/ABI/**", "tests/docs/test_sysfsdocs.py"),
    Rule("docs/versus-2018.md", "tests/lab/test_versus.py"),
    Rule("docs/npu2-module.md", "tests/lab/test_exports.py"),

    Rule("Makefile", "tests/lab/test_cli.py tests/lab/test_long_targets.py", left="its other targets"),
    Rule(".pylintrc", lint="pylint"),
    Rule(".ci/run", "tests/lab/test_conftest.py", lint="shellcheck"),
    Rule("pytest.ini", "tests/lab/test_conftest.py"),
)

#: No program reads them; the manual is built of some, which takes long.
DOCS = ("docs/**", "README.md", "CHANGELOG.md", "LICENSES/**", "**/README*", ".gitignore")
