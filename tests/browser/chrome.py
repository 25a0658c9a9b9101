"""The browser: Debian's Chromium, started when the first test asks for it."""

from __future__ import annotations

import functools
import os
import shutil

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

_ABSENT = "Debian's chromium is not installed (apt-get install chromium)"


@functools.cache
def browser() -> Browser:
    """Return the one browser of this process; skips a test where there is none to start."""
    program = shutil.which("chromium")
    if program is None:
        # Where everything must have run, a test that was skipped looks like one that passed.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_ABSENT)
    # Root, which is who tests run as in a container, has no sandbox.
    return _playwright().chromium.launch(executable_path=program, args=["--no-sandbox"])


def close() -> None:
    """Stop it; while it runs, its event loop keeps other tests from having one of their own."""
    if browser.cache_info().currsize:
        browser().close()
        browser.cache_clear()
    if _playwright.cache_info().currsize:
        _playwright().stop()
        _playwright.cache_clear()


@functools.cache
def _playwright() -> Playwright:
    return sync_playwright().start()
