"""A Chromium of this machine. It cannot be had from a package registry, so these tests have a make target of their own:
without `LAPSE_CHROMIUM` nothing here is collected."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

collect_ignore_glob = [] if os.environ.get("LAPSE_CHROMIUM") else ["test_*.py"]


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=os.environ["LAPSE_CHROMIUM"], args=arguments)
        yield browser
        browser.close()
