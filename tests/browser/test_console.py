"""The console in a real browser: every screen and action, with and without scripts, both themes, a narrow window."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bench.console import load
from consumer.clock import HOUR, ManualClock, SystemClock
from consumer.insight.published_backtest import dump
from consumer.ledger import queries
from consumer.onemsg.outcomes import Unknown
from tests.timelines.deliver_diary import Diary
from tests.web.conftest import served
from tests.web.site import PUBLISHED, site, turning_brake
from tests.web.site import eventful as known_story

from .html_checker import complaints_about

TOKEN = "a-token-of-the-tests"
SCREENS = ["/", "/funnel", "/people?reason=no_contact", "/person", "/needs", "/insight", "/journal"]
WRONG = ["/people?day=x", "/person?id=x&by=reminder", "/person?q=nobody"]
WINDOWS = [("light", 1200), ("dark", 390), ("light", 320), ("dark", 1200)]
"""Theme and width in pixels."""
PATIENCE_MS = 120_000
"""A busy machine is slow. Nothing waits for so long unless it is broken."""
STRANGE = ["<script>alert('1')</script>", "\u202edivorced", "مريم-العربي", "W" * 250, "a b&c=d#e"]
"""Users' ids: markup, a direction mark, another direction, one longer than any line, and parts of an address."""
expect.set_options(timeout=PATIENCE_MS)


def eventful(diary: Diary) -> None:
    """The story that the other tests know, a brake that holds lapses back, and a published return curve."""
    known_story(diary)
    diary.after(1_000).detect_is_at(watched=3, brake="lapse_storm", held=7)
    with diary.ledger.transaction() as connection:
        queries.reporting.backtests.put(connection, diary.clock.now(), dump(PUBLISHED))


def strange(diary: Diary) -> None:
    """Of five people with strange ids one each was written to, is in doubt, has no contact and may have opted out."""
    written, doubted, unknown, likely, other = STRANGE
    diary.detect_is_at().knows(doubted, "Bo", "+34 612 000 000").due(doubted)
    diary.onemsg.answers = [Unknown(reason="timeout")]
    diary.works().after(26 * HOUR).detect_is_at().works()
    diary.knows(written, "Tom", "+34 612 000 001").due(written).due(unknown).due(other, "checkout").works()
    diary.knows(likely, "Ana", "+34 612 000 002").hears("\u202e<i>please leave me alone</i>" + "!" * 200, "34612000002")
    diary.works().after(1_000)


STORIES = {"eventful": eventful, "strange": strange}
PEOPLE = {"eventful": ["tom"], "strange": STRANGE, "large": ["user-7"]}


@contextmanager
def console(folder: Path, kind: str, *, token: str | None = None) -> Iterator[str]:
    """Serve a console: of an empty ledger, of one with a story, or of one with 100,000 reminders."""
    with ExitStack() as stack:
        clock = ManualClock(SystemClock().now())
        diary = Diary(folder, clock=clock)
        stack.callback(diary.close)
        if kind in STORIES:
            with ThreadPoolExecutor(1) as own:  # the browser's client has an event loop in this thread
                own.submit(STORIES[kind], diary).result()
        elif kind == "large":
            load(diary.ledger, 100_000)
        app = site(diary.ledger, clock, token=token, brake=turning_brake(SystemClock(), 1_200), holdout=0.1)
        yield stack.enter_context(served(app))


@pytest.fixture(scope="module", params=["empty", "eventful", "strange", "large"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of a console, and all paths that it has pages for; nobody acts there but for looking."""
    kind = request.param
    with console(tmp_path_factory.mktemp("console"), kind) as url:
        people = [f"/person?{httpx.QueryParams({'id': each})}" for each in PEOPLE.get(kind, [])]
        yield url, [*SCREENS, "/confirm?action=cancel", "/needs?medium=email", *people, *WRONG]


@contextmanager
def opened(chromium: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open a window. Whatever the browser complains about fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=url, **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.on(
        "request", lambda request: None if request.url.startswith((url, "data:")) else complaints.append(request.url)
    )
    yield page
    told = [each for each in complaints if "the server responded with a status of 40" not in each]
    context.close()
    assert told == []


def log_in(page: Page) -> None:
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_label("Your name").fill("Ana")
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize(("theme", "width"), WINDOWS)
def test_every_screen_is_accessible_and_fits(
    chromium: Browser, shown: tuple[str, list[str]], theme: Any, width: int
) -> None:
    url, paths = shown
    size: Any = {"width": width, "height": 800}
    with opened(chromium, url, color_scheme=theme, viewport=size) as page:
        for path in paths:
            page.goto(path)
            found = Axe().run(page).response["violations"]
            assert [(path, each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
            assert "\u202e" not in page.content()


def test_every_page_is_valid_html(shown: tuple[str, list[str]], tmp_path: Path) -> None:
    url, paths = shown
    with httpx.Client(base_url=url, timeout=PATIENCE_MS / 1_000, follow_redirects=True) as client:
        pages = {path: client.get(path).text for path in paths}
    assert complaints_about(pages, tmp_path) == []


def test_login_and_what_a_reveal_shows_are_accessible_and_valid(chromium: Browser, tmp_path: Path) -> None:
    with console(tmp_path, "eventful", token=TOKEN) as url, opened(chromium, url) as page:
        page.goto("/person?id=tom")
        pages = {"login": page.content()}
        assert Axe().run(page).response["violations"] == []
        log_in(page)
        page.get_by_role("button", name="Show name and number").click()
        expect(page.get_by_role("heading", name="Name and number")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        pages["revealed"] = page.content()
        assert complaints_about(pages, tmp_path) == []


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
        page.get_by_role("button", name="Release the brake").click()
        expect(page.get_by_role("status")).to_contain_text("held back")  # by the process that has told of it
        page.get_by_role("link", name="Person").click()
        page.get_by_label("The id of").fill("tom")
        page.get_by_role("button", name="Find").click()
        page.get_by_text("The checks").first.click()
        expect(page.get_by_text("Is there a contact?").first).to_be_visible()
        page.get_by_role("button", name="Show name and number").click()
        expect(page.get_by_text("34612000000")).to_be_visible()

        page.get_by_role("link", name="Journal").click()
        for action in ("pause", "resume", "resolve", "cancel", "lift", "release", "reveal"):
            expect(page.get_by_role("cell", name=action, exact=True)).to_be_visible()
        expect(page.get_by_role("rowheader", name="Ana").first).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_page_renews_itself_but_not_under_somebodys_hands(chromium: Browser, tmp_path: Path) -> None:
    diary = Diary(tmp_path, clock=ManualClock(SystemClock().now())).detect_is_at()
    with served(site(diary.ledger, diary.clock)) as url, opened(chromium, url) as page:
        page.clock.install()
        page.goto("/")
        expect(page.get_by_text("All is well.")).to_be_visible()
        diary.after(HOUR)
        page.clock.fast_forward(6_000)
        problem = page.get_by_role("link", name="Detect is 1 h behind")
        expect(problem).to_be_visible()
        expect(page.locator("[aria-live]")).to_contain_text("Detect is 1 h behind")  # which a screen reader says

        problem.focus()
        diary.detect_is_at().after(1_000)
        page.clock.fast_forward(6_000)
        expect(problem).to_be_focused()
        problem.blur()
        page.clock.fast_forward(6_000)
        expect(page.locator("#live").get_by_text("All is well.")).to_be_visible()

        page.get_by_role("button", name="Stop updating").click()
        expect(page.get_by_role("button", name="Go on updating")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(60_000)
        page.evaluate("1")
        assert asked == []
    diary.close()


def test_the_keyboard_is_enough(chromium: Browser, tmp_path: Path) -> None:
    with console(tmp_path, "eventful") as url, opened(chromium, url) as page:
        page.goto("/needs")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent").startswith("Pause everything"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("everything is paused")
