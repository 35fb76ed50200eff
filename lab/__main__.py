# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m lab"""

import sys

from lab.cli import main
from lab.leftovers import ending_all

with ending_all():
    sys.exit(main())
