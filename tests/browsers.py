"""The browser that tests of pages use, and how it is started."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IN_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def launch(playwright):
    """Start the browser."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
