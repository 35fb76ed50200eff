# SPDX-License-Identifier: GPL-2.0-only
"""The checks of `make lint` find what is planted."""

from tests.lab import lint

TREE = "/somewhere/lint-6.12-4k"
LOG = f"""\
  CHECK   {TREE}/kernel/main.c
{TREE}/kernel/main.c:12:5: warning: symbol 'x' was not declared. Should it be static?
{TREE}/kernel/sim/../range.h:3:1: error: 'y' undeclared
{TREE}/kernel/../generated/kernel/nvlink2_regions.h:9:1: warning: unused
/cache/linux-headers-6.12-common/include/linux/a.h:1:1: warning: of the kernel's own
"""


def test_own_warnings_are_found_and_the_kernels_left_out():
    found = lint.own_warnings(LOG, TREE)
    assert [line.partition(":")[0] for line in found] == [
        "kernel/main.c", "kernel/sim/../range.h", "kernel/../generated/kernel/nvlink2_regions.h"]


def test_exemption_is_for_one_file_and_one_rule():
    rule = "CHECK:OPEN_ENDED_LINE: Lines should not end with a '('"
    assert lint.exempt(f"kernel/trace.h:22: {rule}")
    assert not lint.exempt(f"kernel/main.c:22: {rule}")
    assert not lint.exempt("kernel/trace.h:22: WARNING:LONG_LINE: too long")
