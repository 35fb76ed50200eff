# SPDX-License-Identifier: GPL-2.0-only
"""Loads a generated Python module from wherever it is."""

import importlib.util
import sys


def load(path):
    """The module of a file, and not one of the same name that was loaded before."""
    name = f"vfio_nvlink2_at_{abs(hash(str(path)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
