# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m docs.builder: build the manual into build/docs."""

import sys

from docs.builder import manual
from lab.errors import LabError
from lab.paths import ROOT


def main() -> int:
    """The command; returns its exit status."""
    try:
        status, text = manual.build(ROOT, manual.OUTPUT)
    except LabError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 2
    if status:
        print(text, file=sys.stderr, end="")
        print("docs: the manual has warnings; each is above", file=sys.stderr)
        return 1
    print(f"docs: {manual.OUTPUT.relative_to(ROOT)}/html/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
