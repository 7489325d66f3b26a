"""The console in a real browser: every screen and action, with and without scripts, both themes, a narrow window."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bench.console import load
from consumer.clock import HOUR, ManualClock, SystemClock
from tests.timelines.deliver_diary import Diary
from tests.web.conftest import served
from tests.web.site import eventful, site, turning_brake

TOKEN = "a-token-of-the-tests"
SCREENS = ["/", "/funnel", "/people?reason=no_contact", "/person", "/needs", "/insight", "/journal"]
WIDTHS = {"desk": 1200, "phone": 320}


@contextmanager
def console(folder: Path, kind: str, *, token: str | None = None) -> Iterator[str]:
    """Serve a console: of an empty ledger, of an eventful one, or of one with 100,000 reminders."""
    with ExitStack() as stack:
        clock = ManualClock(SystemClock().now())
        diary = Diary(folder, clock=clock)
        stack.callback(diary.close)
        if kind == "eventful":
            with ThreadPoolExecutor(1) as own:  # the browser's client has an event loop in this thread
                own.submit(lambda: eventful(diary).after(1_000)).result()
        elif kind == "large":
            load(diary.ledger, 100_000)
        app = site(diary.ledger, clock, token=token, brake=turning_brake(SystemClock(), 120))
        yield stack.enter_context(served(app))


@contextmanager
def opened(chromium: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open a window. Whatever the browser complains about fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=url, **options)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((url, "data:")) else complaints.append(request.url)
    )
    yield page
    context.close()
    assert [each for each in complaints if "the server responded with a status of 40" not in each] == []


@pytest.mark.parametrize("kind", ["empty", "eventful", "large"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_screen_is_accessible_and_fits(
    chromium: Browser, tmp_path: Path, kind: str, theme: Any, width: str
) -> None:
    size: Any = {"width": WIDTHS[width], "height": 800}
    with console(tmp_path, kind) as url, opened(chromium, url, color_scheme=theme, viewport=size) as page:
        people = {"empty": [], "eventful": ["/person?id=tom", "/confirm?action=cancel"], "large": ["/person?id=user-7"]}
        for path in [*SCREENS, *people[kind], "/needs?medium=email", "/person?id=x&by=reminder", "/people?day=x"]:
            page.goto(path)
            found = Axe().run(page).response["violations"]
            assert [(path, each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path


@pytest.mark.parametrize("scripts", [True, False])
def test_every_action_works(chromium: Browser, tmp_path: Path, scripts: bool) -> None:
    with (
        console(tmp_path, "eventful", token=TOKEN) as url,
        opened(chromium, url, java_script_enabled=scripts) as page,
    ):
        page.goto("/needs")
        page.get_by_label("Token").fill("wrong")
        page.get_by_label("Your name").fill("Ana")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()

        page.get_by_role("button", name="Pause checkout").click()
        expect(page.get_by_role("status")).to_contain_text("checkout is paused")
        page.get_by_role("button", name="Resume checkout").click()
        expect(page.get_by_role("status")).to_contain_text("goes on")
        page.get_by_role("link", name="not sent … to maria").click()
        page.get_by_role("button", name="Try 1 again").click()
        expect(page.get_by_role("status")).to_contain_text("Planned 1 reminder again")
        page.get_by_role("link", name=re.compile("cancel … 1 of checkout")).click()
        page.get_by_role("button", name="Cancel 1 reminder").click()
        expect(page.get_by_role("status")).to_contain_text("Cancelled 1 reminder")
        page.get_by_role("button", name="Lift: they did not mean that").click()
        expect(page.get_by_role("status")).to_contain_text("lifted")
        page.get_by_role("link", name="Person").click()
        page.get_by_label("The id of").fill("tom")
        page.get_by_role("button", name="Find").click()
        page.get_by_text("The checks").first.click()
        expect(page.get_by_text("Is there a contact?").first).to_be_visible()
        page.get_by_role("button", name="Show name and number").click()
        expect(page.get_by_text("34612000000")).to_be_visible()

        page.get_by_role("link", name="Journal").click()
        for action in ("pause", "resume", "resolve", "cancel", "lift", "reveal"):
            expect(page.get_by_role("cell", name=action, exact=True)).to_be_visible()
        expect(page.get_by_role("rowheader", name="Ana").first).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_page_renews_itself_but_not_under_somebodys_hands(chromium: Browser, tmp_path: Path) -> None:
    diary = Diary(tmp_path, clock=ManualClock(SystemClock().now())).detect_is_at()
    with served(site(diary.ledger, diary.clock)) as url, opened(chromium, url) as page:
        page.goto("/")
        expect(page.get_by_text("All is well.")).to_be_visible()
        diary.after(HOUR)
        expect(page.get_by_text("Detect is 1 h behind")).to_be_visible(timeout=15_000)
        page.get_by_role("link", name="Look").focus()
        diary.detect_is_at().after(1_000)
        with page.expect_request_finished(timeout=15_000):
            page.evaluate("document.activeElement.blur()")
        expect(page.get_by_text("All is well.")).to_be_visible(timeout=15_000)
        page.get_by_role("button", name="Stop updating").click()
        expect(page.get_by_role("button", name="Go on updating")).to_be_visible()
    diary.close()


def test_the_keyboard_is_enough(chromium: Browser, tmp_path: Path) -> None:
    with console(tmp_path, "eventful") as url, opened(chromium, url) as page:
        page.goto("/needs")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent").startswith("Pause everything"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("everything is paused")
