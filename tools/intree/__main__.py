# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m tools.intree"""

import sys

from .tree import main

sys.exit(main())
