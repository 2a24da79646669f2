"""A browser for the tests that look at pages as a reader does."""

import os
import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def chromium():
    """Headless Chromium, driven by Playwright; the test is skipped where one of them is missing.

    For one test only: while Playwright's event loop runs, this process can't start another, as notebooks need.
    """
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no Chromium here: install your system's package (Debian: apt-get install chromium)")
    # As root, in containers, Chromium has no sandbox to offer.
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()
