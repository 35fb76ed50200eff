# SPDX-License-Identifier: GPL-2.0-only
"""The manual, for Sphinx. `make docs` builds it, into build/docs/html."""
# The names are Sphinx'.
# pylint: disable=invalid-name

import re
from pathlib import Path

_TREE = Path(__file__).resolve().parents[1]

project = "vfio-nvlink2"
copyright = "its authors, GPL-2.0-only"  # pylint: disable=redefined-builtin
# What a reader has to know of a version is that of the interface.
_ABI = re.search(r"^  version: (\d+)$", (_TREE / "spec/vfio_nvlink2.yaml").read_text("utf-8"), re.M)
release = version = f"ABI version {_ABI[1]}"

# The kernel's own extensions are replaced by two small directives: docs/builder/directives.py.
extensions = ["myst_parser", "sphinx.ext.graphviz", "docs.builder.directives"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["ABI"]
language = "en"
myst_heading_anchors = 3

html_theme = "alabaster"
html_theme_options = {"description": "V100 GPUs with NVLink2 for virtual machines on POWER9",
                      "page_width": "72em", "body_max_width": "52em", "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
html_show_sphinx = False
# No date: the same sources are the same manual.
html_last_updated_fmt = None
highlight_language = "none"
smartquotes = False
c_id_attributes = ["__user", "__iomem"]
graphviz_output_format = "svg"

# Types of the kernel and of C, which are documented elsewhere; a name of ours is never here.
nitpick_ignore_regex = [
    (r"c:identifier", r"(?:__)?[us](?:8|16|32|64)|bool|u?int\d+_t|s?size_t|loff_t|gfp_t|"
                      r"phys_addr_t|pgoff_t|pgprot_t|vm_fault(?:_t)?|pci_\w+|vfio_(?!nvlink2).*|mm_struct|"
                      r"vm_area_struct|kvm|device_node|module"),
]
