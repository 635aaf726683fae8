"""The browser that tests of pages use, and how it is started.

`python tests/browsers.py` says where it is, and fails if there is none.
"""

import shutil
import sys
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FETCHED = "ms-playwright/chromium-*/chrome-linux*/chrome"  # by `playwright install chromium`
PLACES = [*map(shutil.which, NAMES), *map(str, (Path.home() / ".cache").glob(FETCHED))]
CHROMIUM = next(filter(None, PLACES), None)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAID_OUT = "() => !document.querySelector('article > section > section:not(.laid-out)')"
"""Sections below the screen are laid out after those on it."""
IN_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def launch(playwright):
    """Start the browser."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)


if __name__ == "__main__":
    sys.exit(print(CHROMIUM) if CHROMIUM else "no Chromium")
