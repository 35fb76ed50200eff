# SPDX-License-Identifier: GPL-2.0-only
"""The picture in the manual is what `nvlink2-info --dot` draws of such a machine."""

from lab.paths import BUILD, ROOT
from tests.tools.support import BRIDGE_IDS, atsd, gpu_ram

# The GPUs of an AC922 with four: function, host bridge and slot of its links, IOMMU group, and
# where the firmware puts a window (hw/npu2.c of skiboot: bit 42, and the processor in bits 45-46).
GPUS = (("0004:04:00.0", "0006:00:00", 8, 0x40000000000),
        ("0004:05:00.0", "0006:00:01", 9, 0x42000000000),
        ("0035:03:00.0", "0007:00:00", 12, 0x240000000000),
        ("0035:04:00.0", "0007:00:01", 13, 0x242000000000))
WINDOW = 128 << 30


def compressed(hpa):
    """As nvlink2_tgt_compress() of kernel/range.h."""
    return ((hpa >> 42) & 1) << 42 | ((hpa >> 45) & 3) << 43 | ((hpa >> 49) & 3) << 45 | \
        (hpa & ((1 << 43) - 1))


def draw(machine):
    """The picture that the tool draws of an AC922."""
    for address, links, group, hpa in GPUS:
        machine.function(address, group=group, tree="ibm,npu",
                         regions={9: gpu_ram(size=WINDOW, tgt=compressed(hpa))})
        for link in range(3):
            machine.function(f"{links}.{link}", group=group, ids=BRIDGE_IDS, tree="ibm,gpu",
                             regions={9: atsd(tgt=compressed(hpa))})
    done = machine.info("--dot")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_picture_is_what_the_tool_draws(machine):
    drawn = draw(machine)
    kept = BUILD / "docs-topology.dot"
    kept.write_text(drawn, "ascii")
    first, *picture = (ROOT / "docs/topology.dot").read_text("ascii").splitlines(True)
    assert first == "// SPDX-License-Identifier: GPL-2.0-only\n"
    assert drawn.count("GPU RAM") == 4 and drawn.count(" -- ") == 12
    assert "".join(picture) == drawn, f"docs/topology.dot is old; the new one is {kept}"
