# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m tests.lab"""

import sys

from .cli import main
from .leftovers import ending_all

with ending_all():
    sys.exit(main())
