"""Makes the pictures of the README from a demo that it starts: `make pictures`, or `python -m tools.make_pictures`.

Needs the packages of the extra `browser`, and a Chromium at `LAPSE_CHROMIUM`.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SECONDS = 75
_FULL_AFTER_S = 45
"""So long after the start there is something of everything."""


def main() -> None:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("LAPSE_CHROMIUM", "/usr/bin/chromium")
    command = [sys.executable, "-m", "consumer.cli", "demo", "--seconds", str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603 - our own command
        assert demo.stdout is not None
        found = re.search(r"http://[^\s]+", demo.stdout.readline())
        assert found, "the demo did not print the console's address"
        url = found[0].rstrip("/")
        time.sleep(_FULL_AFTER_S)
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page(viewport={"width": 1000, "height": 900}, base_url=url)
            for name, path in {"now": "/", "funnel": "/funnel", "person": f"/person?id={_somebody(url)}"}.items():
                page.goto(path)
                page.screenshot(path=PICTURES / f"{name}.png")
            browser.close()
        demo.communicate()
    if demo.returncode:
        sys.exit("the demo did not show what it should")


def _somebody(url: str) -> str:
    """Return a user who got a message and read it."""
    events = httpx.get(f"{url}/api/now").raise_for_status().json()["events"]
    return str(next((each["user_id"] for each in events if each["status"] == "read"), events[0]["user_id"]))


if __name__ == "__main__":
    main()
