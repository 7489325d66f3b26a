"""Makes the pictures of the README from a demo that it starts: `make pictures`, or `python -m tools.make_pictures`.

Needs the packages of the extra `browser`, and a Chromium at `LAPSE_CHROMIUM`.
"""

import fcntl
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import yaml
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from consumer.clock import DAY, HOUR, SECOND, Millis
from consumer.demo.activity_plan import plan
from consumer.demo.people import people

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SECONDS = 90
_FULL_AFTER_S = 60
"""So long after the start there is something of everything."""
_ROWS, _COLUMNS = 34, 96
_LAPSE = [sys.executable, "-m", "consumer.cli"]
_NEXT_FRAME = re.compile(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)+")
_HTML = """<style>body {{ margin: 0 }} pre {{ display: inline-block; margin: 0; padding: 14px; font: 14px/1.25 monospace
; color: {foreground}; background: {background} }}</style><pre>{code}</pre>"""
_PEOPLE, _SEED = 300, 41
_HISTORY: Millis = 30 * DAY
_STRETCH = HOUR // SECOND
"""In the history of the return curve an hour stands for a second of the demo."""
_LADDERS = {"account-setup": ["4h", "12h"], "checkout": ["3h"], "document-upload": ["6h"]}
"""As in the demo, stretched."""


@dataclass
class Terminal:
    """A program on a terminal, and everything that it has written there."""

    process: subprocess.Popen[bytes]
    written: bytearray = field(default_factory=bytearray)

    def frame(self) -> str:
        """Return the latest picture that was written as a whole."""
        return _NEXT_FRAME.split(self.written.decode(errors="replace"))[-2].replace("\r\n", "\n")


def on_terminal(command: list[str]) -> Terminal:
    """Start a program on a terminal of its own."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    terminal = Terminal(subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment))  # noqa: S603
    os.close(its)

    def read() -> None:
        try:
            while some := os.read(ours, 65_536):
                terminal.written.extend(some)
        except OSError:  # the program has ended
            os.close(ours)

    threading.Thread(target=read, daemon=True).start()
    return terminal


def main() -> None:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("LAPSE_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        picture_backtest(browser)
        demo = on_terminal([*_LAPSE, "demo", "--seconds", str(SECONDS)])
        time.sleep(_FULL_AFTER_S)
        picture_terminal(browser, demo.frame())
        picture_console(browser, _address(demo))
        browser.close()
    if demo.process.wait():
        sys.exit("the demo did not show what it should")


def picture_terminal(browser: "Browser", frame: str) -> None:
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(frame))
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_content(console.export_html(theme=MONOKAI, inline_styles=True, code_format=_HTML))
    page.locator("pre").screenshot(path=PICTURES / "terminal.png")


def picture_console(browser: "Browser", url: str) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 900}, base_url=url)
    for name, path in {"now": "/", "funnel": "/funnel", "person": f"/person?id={_somebody(url)}"}.items():
        page.goto(path)
        page.screenshot(path=PICTURES / f"{name}.png")


def picture_backtest(browser: "Browser") -> None:
    """Replay a month of the demo's people, and picture the first return curve."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_history(folder / "history.jsonl")
        (folder / "lapse.yaml").write_text(yaml.safe_dump(_configuration()))
        command = [*_LAPSE, "backtest", "history.jsonl", "--html", "report.html"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.goto((folder / "report.html").as_uri())
        heading, drawing = (page.locator(tag).first.bounding_box() for tag in ("h3", "svg"))
        assert heading is not None
        assert drawing is not None
        top, bottom = heading["y"] - 8, drawing["y"] + drawing["height"]
        page.screenshot(
            path=PICTURES / "return-curve.png",
            clip={"x": drawing["x"] - 12, "y": top, "width": drawing["width"] + 24, "height": bottom - top},
            full_page=True,
        )


def _configuration() -> dict[str, object]:
    processes = {name: {"action": name, "remind_after": spans} for name, spans in _LADDERS.items()}
    return {
        "source": {"topic": "user-activity", "format": "json"},
        "processes": processes,
        "detect": {"forget_after": "60d"},
        "policy": {"max_per_user": {}},
    }


def _write_history(file: Path) -> None:
    start = int(time.time() * SECOND) - _HISTORY
    with file.open("w", encoding="utf-8") as out:
        for planned in plan(people(_PEOPLE, _SEED, start), _SEED, 0):
            at = start + planned.activity.occurred_at * _STRETCH
            if at >= start + _HISTORY:
                return
            kept = {name: getattr(planned.activity, name) for name in ("event_id", "user_id", "process", "kind")}
            out.write(json.dumps({**kept, "action": None, "occurred_at": at}) + "\n")


def _address(demo: Terminal) -> str:
    found = re.search(r"http://[^\s]+", demo.written.decode(errors="replace"))
    assert found, "the demo did not print the console's address"
    return found[0].rstrip("/")


def _somebody(url: str) -> str:
    """Return a user who got a message and read it."""
    events = httpx.get(f"{url}/api/now").raise_for_status().json()["events"]
    return str(next((each["user_id"] for each in events if each["status"] == "read"), events[0]["user_id"]))


if __name__ == "__main__":
    main()
