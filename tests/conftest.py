"""What every test shares."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every run and machine: a red test must be red for everybody.
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    from browsers import launch
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
