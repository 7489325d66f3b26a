"""The console as a browser without scripts uses it: each screen, each action, and that nothing personal is shown."""

import html
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from consumer.clock import DAY, HOUR, MINUTE, SystemClock
from consumer.deliver.policy.checks import CHECKS
from consumer.insight.activity_history import Activity
from consumer.insight.published_backtest import dump
from consumer.ledger import queries
from consumer.records import Ending
from consumer.web.health import Health
from tests.timelines.deliver_diary import Diary

from .site import PUBLISHED, eventful, site, turning_brake

Serving = Callable[[ASGIApp], httpx.Client]
SCREENS = {
    "/": "Now",
    "/funnel": "Funnel",
    "/people?reason=no_contact": "People not written to",
    "/person": "Person",
    "/person?id=maria": "Person",
    "/needs": "Needs you",
    "/confirm?action=cancel": "Cancel unsent reminders?",
    "/insight": "Insight",
    "/journal": "Journal",
}


def opened(serving: Serving, diary: Diary, **more: Any) -> httpx.Client:
    return serving(site(diary.ledger, diary.clock, **more))


def submit(client: httpx.Client, page: str, action: str, number: int = 0, **changed: str) -> httpx.Response:
    """Send the form with this action that the page shows, as a browser does."""
    forms = re.findall(rf'<form method="post" action="{action}".*?</form>', client.get(page).text, re.DOTALL)
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', forms[number]))
    return client.post(action, data={**fields, **changed}, follow_redirects=True)


def text_of(response: httpx.Response) -> str:
    return " ".join(re.sub("<[^>]+>", " ", response.text).split())


@pytest.mark.parametrize("path", SCREENS)
@pytest.mark.parametrize("empty", [True, False])
def test_each_screen_shows_itself_and_nothing_personal(serving: Serving, diary: Diary, path: str, empty: bool) -> None:
    client = opened(serving, diary if empty else eventful(diary), brake=turning_brake(SystemClock()))
    page = client.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{SCREENS[path]}</h1>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?! src=)|<style|style=| on\w+=|https?://", page.text)
    for secret in ("612000", "612345", "Maria", "Tom<"):
        assert secret not in page.text


def test_all_is_well_or_what_is_wrong_and_where(serving: Serving, diary: Diary) -> None:
    assert "All is well." in opened(serving, diary.detect_is_at()).get("/").text
    eventful(diary)
    health = Health(diary.clock.monotonic)
    health.register("outbox").failing("the broker does not answer.")
    page = opened(serving, diary, health=health).get("/")
    verdict = page.text.partition("verdict bad")[2].partition("</ul>")[0]
    told = re.findall(r'<li><a href="([^"]*)">([^<]*)</a></li>', verdict)
    assert told == [
        ("/#parts", "outbox does not work: the broker does not answer."),
        (
            "/needs#stopped",
            "Template inactivity_reminder (en) on whatsapp is stopped: template_paused: Paused for its quality.",
        ),
        ("/needs#in-doubt", "Nobody knows whether 1 message was sent."),
        ("/needs#likely", "1 person may have opted out in words of their own."),
    ]
    for link, _ in told:
        anchor = link.partition("#")[2]
        assert f'id="{anchor}"' in opened(serving, diary).get(link).text


def test_detect_that_stands_still_is_told(serving: Serving, diary: Diary) -> None:
    assert "Detect has not told yet" in opened(serving, diary).get("/").text
    diary.detect_is_at().after(HOUR)
    assert "Detect is 1 h behind in partition 0: nothing is sent." in opened(serving, diary).get("/").text


def test_detect_in_other_processes_is_shown_by_what_it_tells(serving: Serving, diary: Diary) -> None:
    assert "not told yet" in opened(serving, diary).get("/").text
    diary.detect_is_at(watched=1200, held=0, distrusted=False)
    diary.detect_is_at(partition=1, watched=34, held=5, brake="below_mean", distrusted=False)
    diary.detect_is_at(partition=2, watched=0, held=2, brake="some_later_reason", distrusted=True)
    client = opened(serving, diary)
    page = text_of(client.get("/"))
    assert "Watched 1,234 pairs of person and process" in page
    assert "Brake holds 7" in page
    assert "The brake holds 5 lapses back: far fewer records than in the time before arrive" in page
    assert "The brake holds 2 lapses back: some_later_reason" in page
    assert "The watermark of partition 2 stands still: too many records cannot be read" in page
    needs = client.get("/needs").text
    assert "Detect runs in another process." in needs
    assert "At most 3 lie on their topic, the newest of" in text_of(client.get("/needs"))
    assert "/do/release" not in needs
    for partition in range(3):
        diary.detect_is_at(partition=partition, watched=1, held=0, distrusted=False)
    assert "Brake free" in text_of(opened(serving, diary).get("/"))


def test_where_only_detect_runs_the_first_page_says_so(serving: Serving) -> None:
    clock = SystemClock()
    client = serving(site(None, clock, brake=turning_brake(clock)))
    page = client.get("/")
    assert "All is well." in page.text
    assert "/needs" not in re.findall(r'<a href="([^"]*)"', page.text)
    assert "Open the console of a process that runs deliver" in client.get("/needs").text


def test_funnel_is_filtered_and_its_reasons_open_their_people(serving: Serving, diary: Diary) -> None:
    client = opened(serving, eventful(diary))
    page = client.get("/funnel")
    assert "account-setup, step 0" in page.text
    assert "checkout, step 0" in page.text
    assert "account-setup, step 0" not in client.get("/funnel?process=checkout").text
    assert "No reminders were requested" in client.get("/funnel?from=2020-01-01&to=2020-01-31").text
    [link] = re.findall(r'href="(/people[^"]*process=checkout[^"]*reason=no_contact)"', page.text)
    people = client.get(link.replace("&amp;", "&"))
    assert "nina" in people.text
    assert "tom" not in people.text


@pytest.mark.parametrize(
    "wrong", ["/funnel?from=x", "/funnel?to=0-0-0", "/people?day=x", "/journal?before=-1", "/confirm"]
)
def test_a_wrong_address_gets_a_sentence(serving: Serving, diary: Diary, wrong: str) -> None:
    page = opened(serving, diary).get(wrong)
    assert page.status_code == 400
    assert re.search(r"cannot be right|Write a day as|no such action", page.text)


def test_a_person_is_found_by_each_id_with_the_checks_folded(serving: Serving, diary: Diary) -> None:
    diary.detect_is_at().knows("tom", "Tom", "+34 612 000 000", opt_in=False).due("tom").works()
    diary.knows("maria").due("maria").works()
    client = opened(serving, diary)
    ids = {"tom": "tom", diary.rows()[0].reminder_id: "tom", "wamid.1": "maria"}
    for each, user in ids.items():
        page = client.get("/person", params={"q": f" {each} "}, follow_redirects=True)
        assert page.status_code == 200
        assert f'<h2 class="id">{user}</h2>' in page.text
    story = client.get("/person?id=tom").text
    folded = re.findall(r"<details.*?</details>", story, re.DOTALL)
    answers = re.findall(r">(yes|no|not asked)</span>", folded[0])
    place = [check.__name__ for check in CHECKS].index("consent_is_given")
    assert answers == ["yes"] * place + ["no"] + ["not asked"] * (len(CHECKS) - place - 1)
    assert "phone: …000" in story
    assert "What happens next" in story
    unknown = client.get("/person?q=nobody-at-all")
    assert unknown.status_code == 404
    assert "/person?id=nobody-at-all&amp;activities=true" in unknown.text
    assert client.get("/person?id=none&by=reminder").status_code == 404


def test_activities_are_read_from_the_topic_when_asked_for(serving: Serving, diary: Diary) -> None:
    seen = diary.clock.now() - HOUR
    activity = Activity("checkout", Ending.NONE, None, seen, seen)
    client = opened(serving, diary, read_activities=lambda user, partitions: [activity])
    assert "was active" not in client.get("/person?id=new").text
    story = client.get("/person?id=new&activities=true").text
    assert "was active" in story
    assert "not quiet for long enough yet" in story
    down = opened(serving, diary, read_activities=lambda user, partitions: "user-activity was not read")
    assert "user-activity was not read" in down.get("/person?id=new&activities=true").text


def test_a_reveal_shows_name_and_number_and_is_journalled(serving: Serving, diary: Diary) -> None:
    diary.knows("maria").due("maria")
    client = opened(serving, diary)
    shown = submit(client, "/person?id=maria", "/do/reveal")
    assert "Maria" in shown.text
    assert "34612345678" in shown.text
    assert re.search(r"somebody on this machine console reveal maria", text_of(client.get("/journal")))
    assert "Nothing was done" in submit(client, "/person?id=maria", "/do/reveal", user="gone").text


def test_pause_and_resume(serving: Serving, diary: Diary) -> None:
    client = opened(serving, diary.detect_is_at())
    assert "checkout is paused" in submit(client, "/needs", "/do/pause", 2).text
    diary.knows("maria").due("maria", "checkout").works()
    assert "Checkout is paused." in client.get("/").text
    assert diary.rows()[0].reason == "paused"
    assert "1 reminder had waited for it" in submit(client, "/needs", "/do/resume").text
    diary.works()
    assert len(diary.onemsg.sent) == 1
    assert "everything is paused" in submit(client, "/needs", "/do/pause").text
    assert "Nothing was done" in submit(client, "/needs", "/do/pause", process="cheese").text
    told = re.findall(r"console (pause|resume)", text_of(client.get("/journal")))
    assert told == ["pause", "resume", "pause"]


def test_cancel_says_how_many_and_cancels_no_more(serving: Serving, diary: Diary) -> None:
    client = opened(serving, eventful(diary).after(MINUTE))
    asked = client.get("/confirm?action=cancel&reason=no_contact")
    assert "2 reminders." in asked.text
    diary.after(MINUTE).due("late").works()
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', asked.text))
    done = client.post("/do/cancel", data=fields, follow_redirects=True)
    assert "Cancelled 2 reminders" in done.text
    statuses = {(row.user_id, row.status, row.reason) for row in diary.rows()}
    assert {("nina", "cancelled", "by_operator"), ("late", "deferred", "no_contact")} <= statuses
    assert "console cancel" in text_of(client.get("/journal"))


@pytest.mark.parametrize(("action", "status"), [("was-sent", "accepted"), ("was-not-sent", "planned")])
def test_doubt_is_settled_by_what_was_found(serving: Serving, diary: Diary, action: str, status: str) -> None:
    client = opened(serving, eventful(diary))
    reminder = next(row.reminder_id for row in diary.rows() if row.user_id == "maria")
    page = f"/confirm?action={action}&reminder={reminder}"
    assert "1 reminder." in client.get(page).text
    done = "Recorded 1 reminder as sent" if action == "was-sent" else "Planned 1 reminder again"
    assert done in submit(client, page, "/do/resolve").text
    assert next(row.status for row in diary.rows() if row.user_id == "maria") == status
    assert "There are none any more." in client.get(page).text
    assert "console resolve" in text_of(client.get("/journal"))


@pytest.mark.parametrize("meant", [True, False])
def test_a_likely_opt_out_is_read_and_settled(serving: Serving, diary: Diary, meant: bool) -> None:
    eventful(diary).lists().due("ana", "checkout").works()
    client = opened(serving, diary)
    assert "please leave me alone now ⟨U+202E⟩ok" in client.get("/needs").text
    assert "\u202e" not in client.get("/needs").text
    done = submit(client, "/needs", "/do/likely-opt-out", 0 if meant else 1)
    assert ("The opt-out is recorded" if meant else "1 reminder had waited for it") in done.text
    diary.works()
    [row] = [row for row in diary.rows() if row.user_id == "ana"]
    assert row.reason == ("opted_out" if meant else None)
    assert ("console opt out ana" if meant else "console lift ana") in text_of(client.get("/journal"))
    assert "Nobody." in client.get("/needs").text


def test_the_brake_is_released(serving: Serving, diary: Diary) -> None:
    client = opened(serving, diary, brake=turning_brake(SystemClock()))
    form = re.search(r'name="form_token" value="([^"]*)"', client.get("/needs").text)
    assert form
    done = client.post("/do/release", data={"form_token": form[1]}, follow_redirects=True)
    assert "Nothing was held back." in done.text
    assert "console release brake" in text_of(client.get("/journal"))


def test_insight_says_what_is_missing(serving: Serving, diary: Diary) -> None:
    assert "policy.holdout: 0.1" in opened(serving, diary).get("/insight").text
    diary.detect_is_at().knows("maria").due("maria").works().after(8 * DAY)
    page = opened(serving, diary, holdout=0.1).get("/insight").text
    assert "account-setup" in page
    assert "No comparison yet" in page
    assert "lapse backtest --publish" in page


def test_insight_draws_the_return_curve_that_was_published(serving: Serving, diary: Diary) -> None:
    with diary.ledger.transaction() as connection:
        queries.reporting.backtests.put(connection, 91 * DAY, dump(PUBLISHED))
    client = opened(serving, diary)
    page = client.get("/insight")
    told = text_of(page)
    assert "From lapse backtest of 1970-04-02 , over the topic user-activity from 1970-01-01 to 1970-04-01" in told
    assert "checkout: <b>something</b> is not known" in html.unescape(told)
    assert re.search(r'<polyline class="line" points="48.0,64.4 \d', page.text)
    assert '<line class="step" x1="592.0"' in page.text
    assert "2h configured 15.0 7.50 10% (8%–12%) too few people too few people" in told
    assert not re.search(r"<script(?! src=)|<style|style=| on\w+=|https?://", page.text)
    assert client.get("/api/insight").json()["backtest"]["backtest"]["curves"]["checkout"][1] == [
        7200.0, 0.5, 0.4, 0.6, 200,
    ]  # fmt: skip


def test_what_a_user_calls_themselves_is_escaped(serving: Serving, diary: Diary) -> None:
    user = "<script>alert('1')</script>\u202e&"
    client = opened(serving, diary.detect_is_at().knows(user).due(user).works())
    page = client.get("/").text
    assert "<script>alert" not in page
    [link] = set(re.findall(r'href="(/person\?id=[^"]*)"', page))
    assert "alert(&#39;1&#39;)&lt;/script&gt;⟨U+202E⟩&amp;" in client.get(link).text


def test_a_ledger_out_of_reach_is_said(serving: Serving, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def broken() -> Any:
        raise OperationalError("SELECT", {}, Exception("postgresql://user:password@host"))

    client = opened(serving, diary)
    monkeypatch.setattr(diary.ledger, "reading", broken)
    for path in SCREENS:
        page = client.get(path)
        if path != "/person":
            assert page.status_code == 503
            assert "The ledger does not answer" in page.text
            assert "password" not in page.text
    api = client.get("/api/now")
    assert (api.status_code, api.json()["error"]) == (503, "the ledger does not answer: see /readyz")
