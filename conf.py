"""Settings of the site; everything that acts lives in migrate_examples._site."""

import os
from pathlib import Path

from migrate_examples import __version__

project = "From TensorFlow to PyTorch"
author = "The maintainers of From TensorFlow to PyTorch"
copyright = author  # noqa: A001  Sphinx's name for it
release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "migrate_examples._site",
]
nitpicky = True
# Types of other packages: their inventories cannot be fetched offline.
nitpick_ignore_regex = [("py:.*", r"(?!migrate_examples).*")]
exclude_patterns = ["examples/**/*.ipynb", "examples/**/*.py", "examples/**/*.json"]
suppress_warnings = ["config.cache"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, with shapes
copybutton_exclude = ".linenos, .gp, .go"
html_theme = "furo"
html_title = "TensorFlow → PyTorch"
html_favicon = "docs/_static/panes.png"
html_static_path = ["docs/_static", "build/browser"]
html_copy_source = False
html_show_sphinx = False
# One place says where the sources are: the Makefile, from git's remote.
html_context = {"repository": os.environ.get("REPOSITORY", "")}
sphinx_gallery_conf = {
    "examples_dirs": ["../build/gallery"],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "migrate_examples._site.order.GuideOrder",
    "show_signature": False,
    "default_thumb_file": str(Path(__file__).parent / "docs/_static/panes.png"),
    "show_memory": False,
    "write_computation_times": False,
    "parallel": False,  # a second process would import both frameworks again
    "reset_modules": ("matplotlib", "migrate_examples._site.clock.before"),
    "image_scrapers": (
        "migrate_examples._site.clock.read",
        "matplotlib",
        "migrate_examples._site.clock.restart",
    ),
    "min_reported_time": 1e6,
    "capture_repr": ("_repr_html_", "__repr__"),
}
