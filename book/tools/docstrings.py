"""Sphinx extension: read the package's docstrings as they are written, and link its short names.

The docstrings write formulas as plain text, where `|z|` is a magnitude and not a substitution. And
they, like the chapters, say `ptft.Task` for what is defined in `ptft.model.tasks`.
"""

import re

import ptft


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("missing-reference", find_short_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def escape_bars(app, what, name, obj, options, lines):
    """Escape each vertical bar outside of literal text."""
    lines[:] = [re.sub(r"``.*?``|\|", _escaped, line) for line in lines]


def _escaped(match):
    return r"\|" if match[0] == "|" else match[0]


def find_short_name(app, env, node, contnode):
    """Resolve `Task` and `ptft.Task` to the module that defines them."""
    name = node.get("reftarget", "").removeprefix("ptft.")
    target = getattr(ptft, name, None) if node.get("refdomain") == "py" else None
    if name not in ptft.__all__ or not hasattr(target, "__qualname__"):
        return None
    full_name = f"{target.__module__}.{target.__qualname__}"
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], full_name, node, contnode
    )
