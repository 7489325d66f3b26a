"""`lapse report` on the ledger of a deliver that has worked."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.clock import DAY, HOUR, MINUTE, ManualClock, SystemClock
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, settings, write
from tests.timelines.deliver_diary import Diary

NOW = SystemClock().now()


@pytest.fixture
def diary(tmp_path: Path, onemsg: Sandbox) -> Iterator[Diary]:
    """Forty people asked nine days ago, half of whom are held out; those asked complete more often."""
    processes = {"account-setup": {"action": "account setup", "remind_after": ["24h", "72h"]}}
    write(tmp_path, settings(onemsg, processes=processes))
    clock = ManualClock(NOW - 9 * DAY)
    diary = Diary(tmp_path, url=f"sqlite:///{tmp_path}/lapse.db", clock=clock, holdout=0.5)
    yield diary
    diary.close()


def live(diary: Diary, people: int = 40) -> None:
    diary.detect_is_at()
    reminders = {}
    for number in range(people):
        user = f"user-{number}"
        diary.knows(user, phone=f"+34 612 34{number:04}")
        reminders[user] = diary.reminder("DUE", user)
        diary.takes(reminders[user])
    diary.knows("paul", name="Paul", phone="+34 698 765 432", opt_in=False).due("paul")
    for _ in range(5):
        diary.works()
    for number, message in enumerate(diary.onemsg.sent):
        diary.reports(f"wamid.{number + 1}", "sent", "delivered")
        assert message.phone.startswith("34")
    diary.after(2 * HOUR)
    for user in reminders:
        number = int(user.removeprefix("user-"))
        if number % 2:
            ended = diary.reminder("COMPLETED", user)
            asked = reminders[user]
            diary.takes(
                replace(ended, reminder_id=asked.reminder_id, last_seen=asked.last_seen, lapsed_at=asked.lapsed_at)
            )
    diary.works()


def test_report_as_text(lapse_here: Lapse, diary: Diary) -> None:
    live(diary)
    text = lapse_here("report").stdout
    assert "Funnel" in text
    assert "no_opt_in" in text
    assert "holdout" in text
    assert "From lapse to first attempt: p50 0.0 s" in text
    assert "verdict: not yet" in text
    assert "more people" in text


def test_no_word_is_broken_on_a_narrow_terminal(lapse_here: Lapse, diary: Diary) -> None:
    live(diary)
    text = " ".join(lapse_here("report", COLUMNS="60").stdout.split())
    assert "process account-setup; step 0; medium whatsapp; requested 41;" in text
    assert "delivered" in text


def test_report_as_json_adds_up(lapse_here: Lapse, diary: Diary) -> None:
    live(diary)
    report = json.loads(lapse_here("report", "--json").stdout)
    [step] = report["steps"]
    assert step["requested"] == 41
    assert step["sent"] + step["not_sent"] == 41
    assert step["delivered"] == step["sent"] == len(diary.onemsg.sent)
    [found] = report["uplifts"]
    asked, holdout = found["uplift"]["asked"], found["uplift"]["holdout"]
    assert asked["episodes"] == len(diary.onemsg.sent)
    assert asked["episodes"] + holdout["episodes"] == 40
    assert asked["completed"] + holdout["completed"] == 20
    assert {each["reason"] for each in report["reasons"]} == {"holdout", "no_opt_in"}


def test_report_as_csv_has_one_number_in_each_row(lapse_here: Lapse, diary: Diary) -> None:
    live(diary, people=20)
    rows = list(csv.DictReader(io.StringIO(lapse_here("report", "--csv").stdout)))
    assert {row["section"] for row in rows} == {"funnel", "reasons", "lapse_to_send_ms", "uplift"}
    assert [row["value"] for row in rows if row["name"] == "requested"] == ["21"]


def test_span_and_process(lapse_here: Lapse, diary: Diary) -> None:
    live(diary, people=3)
    assert "no reminders were requested" in lapse_here("report", "--since", "1h").stdout
    assert json.loads(lapse_here("report", "--until", "8d", "--json").stdout)["steps"] != []
    done = lapse_here("report", "--process", "acount-setup")
    assert (done.returncode, "did you mean account-setup?" in done.stderr) == (2, True)
    assert lapse_here("report", "--since", "2026-03-02", "--until", "2026-03-01").returncode == 2
    assert lapse_here("report", "--json", "--csv").returncode == 2


def test_without_a_holdout_it_says_what_is_missing(lapse_here: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    diary = Diary(tmp_path, url=f"sqlite:///{tmp_path}/lapse.db", clock=ManualClock(NOW - 9 * DAY))
    diary.detect_is_at().knows("maria").due("maria").after(MINUTE).works()
    diary.close()
    assert "set policy.holdout above 0" in lapse_here("report").stdout


def test_empty_ledger_and_no_ledger(lapse_here: Lapse, diary: Diary, tmp_path: Path) -> None:
    assert "no reminders were requested in this time" in lapse_here("report").stdout
    done = lapse_here("report", LAPSE_LEDGER__URL=f"sqlite:///{tmp_path}/none.db")
    assert (done.returncode, "there is no ledger at" in done.stderr) == (1, True)


def test_costs_and_break_even(lapse_here: Lapse, diary: Diary, tmp_path: Path, onemsg: Sandbox) -> None:
    live(diary, people=20)
    prices = {"currency": "EUR", "delivered": {"ES": {"marketing": 0.05}, "default": {"marketing": 0.1}}}
    process = {"action": "account setup", "remind_after": ["24h"], "value": 20}
    write(tmp_path, settings(onemsg, processes={"account-setup": process}, prices=prices))
    [money] = json.loads(lapse_here("report", "--json").stdout)["money"]
    assert money["delivered"] == len(diary.onemsg.sent)
    assert money["cost"] == pytest.approx(0.05 * len(diary.onemsg.sent))
    assert money["break_even"] == pytest.approx(1000 * 0.05 / 20)
    assert "pays if it brings 2.5 more completions per 1,000 messages" in " ".join(lapse_here("report").stdout.split())
    assert "money,account-setup" in lapse_here("report", "--csv").stdout


def test_prices_need_a_default_and_a_currency(lapse_here: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    for prices, words in (
        ({"currency": "EUR", "delivered": {"ES": {"marketing": 0.05}}}, "needs a price for every other country"),
        ({"currency": "euro", "delivered": {"default": {"marketing": 0.05}}}, "prices.currency"),
        (
            {"currency": "EUR", "delivered": {"Spain": {"marketing": 1}, "default": {"marketing": 1}}},
            "two capital letters",
        ),
        ({"currency": "EUR", "delivered": {"default": {"marketing": -1}}}, "prices.delivered"),
    ):
        write(tmp_path, settings(onemsg, prices=prices))
        done = lapse_here("report")
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
