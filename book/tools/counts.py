"""Sphinx extension: numbers about the book that its text may use, counted when it is built.

    The {{ n_exercises }} exercises

None of them is typed, so none goes stale. The exercises are those in the chapters' sources, the
claims those of the ledger.
"""

import re
from collections import Counter
from pathlib import Path

from ptft.companion import ledger

BOOK = Path(__file__).resolve().parents[1]
EXERCISE = re.compile(r"^(?:`{3,}|:{3,})\{exercise(?:-start)?\}", re.MULTILINE)


def numbers(folder=BOOK):
    """Return what may stand between double braces, as dict of str to str."""
    found = Counter(claim.status for claim in ledger.claims(folder / "claims.toml").values())
    exercises = sum(len(EXERCISE.findall(page.read_text("utf-8"))) for page in folder.glob("*.md"))
    counts = {
        "n_exercises": exercises,
        "n_claims": found.total(),
        "n_reproduced": found["reproduced"],
        "n_rest": found.total() - found["reproduced"],
    }
    return {name: str(count) for name, count in counts.items()}


def substitute(app, config):
    """Offer the numbers to the pages."""
    config.myst_substitutions = {**config.myst_substitutions, **numbers()}


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", substitute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
