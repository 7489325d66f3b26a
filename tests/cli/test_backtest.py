"""`lapse backtest` over files and over a real topic."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Producer

from consumer.clock import DAY, HOUR, MINUTE, ManualClock, SystemClock
from consumer.insight.backtest import Price
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.web.api.insight import InsightView
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse, write
from tests.timelines.deliver_diary import Diary

BEGIN = 1_760_000_000_000
SOURCE = {"topic": "ev", "format": "json", "user": "user.id", "time": "ts", "event": "type"}
CHECKOUT = {"action": "your order", "remind_after": ["2h", "24h"], "active_on": ["viewed"], "complete_on": ["paid"]}


def configuration(**sections: Any) -> dict[str, Any]:
    return {"source": SOURCE, "processes": {"checkout": CHECKOUT}, **sections}


def events() -> list[dict[str, Any]]:
    """Two hundred people view something; half pay an hour later, a quarter come back after five hours."""
    found = []
    for number in range(200):
        begin = BEGIN + number * MINUTE
        found.append({"user": {"id": number}, "ts": begin, "type": "viewed"})
        if number % 2 == 0:
            found.append({"user": {"id": number}, "ts": begin + HOUR, "type": "paid"})
        elif number % 4 == 1:
            found.append({"user": {"id": number}, "ts": begin + 5 * HOUR, "type": "viewed"})
    found.append({"user": {"id": 999}, "ts": BEGIN + 10 * DAY, "type": "paid"})
    return sorted(found, key=lambda event: event["ts"])


def lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path.name


@pytest.fixture
def result(lapse_here: Lapse, tmp_path: Path) -> Any:
    """Return a function that runs a backtest and gives what it wrote as JSON."""

    def run(*arguments: str) -> Any:
        done = lapse_here("backtest", *arguments, "--json", "out.json")
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "out.json").read_text())

    return run


def asked(result: Any, name: str = "lapse.yaml") -> list[int]:
    return [step["asked"] for step in result[name]["steps"]]


def test_lapses_of_json_lines(result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    found = result(lines(tmp_path / "ev.jsonl", events()))
    # a hundred who do not pay within two hours, fifty of whom lapse a second time; none within a day but they all
    assert asked(found) == [150, 100]
    step = found["lapse.yaml"]["steps"][0]
    assert (step["sent"], step["capped"]) == (100, 50)
    assert found["lapse.yaml"]["people"] == 201


@pytest.mark.parametrize("kind", ["parquet", "csv", "avro"])
def test_other_files_give_the_same(result: Any, tmp_path: Path, kind: str) -> None:
    flat = [{"user.id": event["user"]["id"], "ts": event["ts"], "type": event["type"]} for event in events()]
    table = pl.DataFrame(flat)
    if kind == "avro":  # whose names have no dots
        table = table.rename({"user.id": "user"})
        write(tmp_path, configuration(source={**SOURCE, "user": "user"}))
        table.write_avro(tmp_path / "ev.avro")
    else:
        write(tmp_path, configuration())
        getattr(table, f"write_{kind}")(tmp_path / f"ev.{kind}")
    assert asked(result(f"ev.{kind}")) == [150, 100]


def test_moments_of_parquet_count_in_utc(result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration(source={**SOURCE, "user": "user"}))
    flat = [{"user": event["user"]["id"], "ts": event["ts"], "type": event["type"]} for event in events()]
    table = pl.DataFrame(flat).with_columns(pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC"))
    table.write_parquet(tmp_path / "ev.parquet")
    found = result("ev.parquet")
    assert asked(found) == [150, 100]
    assert found["lapse.yaml"]["since"] == BEGIN


def test_history_of_the_topic_between_two_moments(result: Any, tmp_path: Path, kafka: str, topics: FreshTopics) -> None:
    topic, now = topics(2, about="activity"), SystemClock().now()
    producer = Producer({"bootstrap.servers": kafka})
    shift = now - 11 * DAY - BEGIN
    for event in events():
        at = event["ts"] + shift
        value = json.dumps({**event, "ts": at}).encode()
        producer.produce(topic, value, str(event["user"]["id"]), timestamp=at)
    assert producer.flush(30) == 0
    write(tmp_path, configuration(kafka={"bootstrap_servers": kafka}, source={**SOURCE, "topic": topic}))
    assert asked(result()) == [150, 100]
    assert asked(result("--since", "11d", "--until", "10d")) == [150, 0]


def test_two_configurations_over_the_same_history(result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration(processes={"checkout": {**CHECKOUT, "remind_after": ["30m"]}}))
    (tmp_path / "lapse.yaml").rename(tmp_path / "other.yaml")
    write(tmp_path, configuration())
    found = result(lines(tmp_path / "ev.jsonl", events()), "--compare", "other.yaml")
    assert (asked(found), asked(found, "other.yaml")) == ([150, 100], [250])


def test_page_has_everything_within_itself(lapse_here: Lapse, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    done = lapse_here("backtest", lines(tmp_path / "ev.jsonl", events()), "--html", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert done.returncode == 0
    assert "<svg" in page
    assert "polyline" in page
    assert "http" not in page
    assert "<script" not in page


@pytest.mark.slow
def test_curves_are_drawn_as_png_files(lapse_here: Lapse, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    done = lapse_here("backtest", lines(tmp_path / "ev.jsonl", events()), "--png", "plots")
    assert done.returncode == 0, done.stderr
    [plot] = (tmp_path / "plots").iterdir()
    assert plot.name == "lapse-checkout.png"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_what_is_published_is_told_by_the_report_and_the_api(lapse_here: Lapse, tmp_path: Path) -> None:
    prices = {"currency": "EUR", "delivered": {"default": {"marketing": 0.5}}}
    write(tmp_path, configuration(prices=prices))
    file = lines(tmp_path / "ev.jsonl", events())
    refused = lapse_here("backtest", file, "--publish")
    assert (refused.returncode, "there is no ledger" in refused.stderr) == (1, True), refused.stderr
    with closing(Ledger(f"sqlite:///{tmp_path}/lapse.db")) as ledger:
        assert lapse_here("report").returncode == 0
        done = lapse_here("backtest", file, "--publish", "--json", "out.json")
        assert done.returncode == 0, done.stderr
        found = json.loads((tmp_path / "out.json").read_text())["lapse.yaml"]
        [told] = [json.loads(lapse_here("report", "--json").stdout)["backtest"]]
        assert told["backtest"] == found
        assert told["history"] == "1 file"
        text = " ".join(lapse_here("report").stdout.split())
        assert "over 1 file, 2025-10-09 08:53 to 2025-10-19 08:53 UTC" in text
        assert "EUR a day" in text
        assert "thresholds,checkout,,,,15m/cost_a_day,12.5\n" in lapse_here("report", "--csv").stdout
        view = InsightView(SystemClock(), ledger, holdout=0.1, dry_run=False).read()
        assert view.backtest is not None
        assert view.backtest.backtest.price == Price(0.5, "EUR", "the default of prices")
        with ledger.reading() as connection:
            [entry] = queries.operating.journal.latest(connection, 9)
        assert (entry.action, entry.subject, entry.detail) == ("publish", "backtest", "1 file")
        with ledger.transaction() as connection:  # as another version might have left it
            queries.reporting.backtests.put(connection, 1, '{"made": "otherwise"}')
        assert InsightView(SystemClock(), ledger, holdout=0.1, dry_run=False).read().backtest is None


def test_thresholds_say_what_they_send_and_cost_and_stop_where_too_few_are_left(result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration(prices={"currency": "EUR", "delivered": {"default": {"marketing": 0.5}}}))
    found = result(lines(tmp_path / "ev.jsonl", events()))["lapse.yaml"]
    rows = {row["after"]: row for row in found["thresholds"]}
    # 250 silences in ten days: 200 last longer than two hours less the hundred that end after one; 50 end after five
    assert rows[2 * HOUR]["messages_a_day"] == pytest.approx(15.0, rel=0.01)
    assert rows[DAY]["messages_a_day"] == pytest.approx(10.0, rel=0.01)
    assert rows[DAY]["cost_a_day"] == pytest.approx(5.0, rel=0.01)
    assert rows[2 * HOUR]["needless"]["day"]["value"] == pytest.approx(1 / 3, abs=0.01)
    assert found["silences"] == [{"process": "checkout", "count": 250, "cut_by_messages": 0}]


def test_messages_of_the_ledger_cut_the_silences_of_the_topic(
    lapse_here: Lapse, result: Any, tmp_path: Path, kafka: str, topics: FreshTopics
) -> None:
    topic, now = topics(2, about="activity"), SystemClock().now()
    shift = now - 11 * DAY - BEGIN
    producer = Producer({"bootstrap.servers": kafka})
    for event in events():
        at = event["ts"] + shift
        value = json.dumps({"user": {"id": f"user-{event['user']['id']}"}, "ts": at, "type": event["type"]})
        producer.produce(topic, value.encode(), timestamp=at)
    assert producer.flush(30) == 0
    write(tmp_path, configuration(kafka={"bootstrap_servers": kafka}, source={**SOURCE, "topic": topic}))
    diary = Diary(tmp_path, url=f"sqlite:///{tmp_path}/lapse.db", clock=ManualClock(BEGIN + shift + 6 * HOUR))
    diary.detect_is_at()
    for number in (3, 7):  # who never come back
        diary.knows(f"user-{number}", phone=f"+34 612 34{number:04}").due(f"user-{number}", "checkout")
    diary.works().works()
    assert len(diary.onemsg.sent) == 2
    diary.close()
    found = result()["lapse.yaml"]
    assert found["silences"] == [{"process": "checkout", "count": 250, "cut_by_messages": 2}]
    assert "2 of 250 silences (0.80%) count only up to a message that went out" in found["notes"][-1]


def test_nothing_is_said_where_too_few_people_are_left(result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration(processes={"checkout": {**CHECKOUT, "remind_after": ["20d"]}}))
    found = result(lines(tmp_path / "ev.jsonl", events()))
    assert found["lapse.yaml"]["steps"][0]["returns"] == {"hour": None, "day": None, "week": None}
    assert found["lapse.yaml"]["notes"][0].startswith("checkout: 0 people were away for longer than 20d within")


def test_bad_input_is_explained(lapse_here: Lapse, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    lines(tmp_path / "other.jsonl", [{"who": 1, "when": 2}])
    lines(tmp_path / "foreign.jsonl", [{"user": {"id": 1}, "ts": BEGIN, "type": "liked"}])
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    for file, words in {
        "none.jsonl": "it cannot be read: No such file",
        "ev.xlsx": "what kind of file is it?",
        "broken.parquet": "it is no readable .parquet file",
        "empty.jsonl": "there is nothing to replay",
        "foreign.jsonl": "none of the 1 events concerns a process",
        "other.jsonl": "none of the 1 events concerns a process",
    }.items():
        done = lapse_here("backtest", file)
        assert (done.returncode, words in done.stderr) == (1, True), (file, done.stderr)


def test_an_old_history_is_read_where_its_times_are_certain(lapse_here: Lapse, result: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    users = [f'{{"user":{{"id":"u{n}"}},"ts":"1997-03-01T00:00:00Z","type":"viewed"}}\n' for n in range(5)]
    last = '{"user":{"id":"z"},"ts":"1997-03-09T00:00:00Z","type":"viewed"}\n'
    (tmp_path / "old.jsonl").write_text("".join([*users, last]))
    assert asked(result("old.jsonl")) == [5, 5]
    (tmp_path / "seconds.jsonl").write_text('{"user":{"id":"u"},"ts":1760000,"type":"viewed"}\n')  # which is in 1970
    refused = lapse_here("backtest", "seconds.jsonl").stderr
    assert "is before the year 1990: is it in another unit than it seems?" in " ".join(refused.split())
    (tmp_path / "days.jsonl").write_text('{"user":{"id":"u"},"ts":"1997-03-01","type":"viewed"}\n')
    assert "let it be a number, or ISO 8601 text with date, time" in " ".join(
        lapse_here("backtest", "days.jsonl").stderr.split()
    )


def test_one_bad_row_does_not_stop_the_others(lapse_here: Lapse, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    file = tmp_path / "ev.jsonl"
    lines(file, events())
    file.write_text(file.read_text() + "no json\n")
    done = lapse_here("backtest", "ev.jsonl")
    assert done.returncode == 0
    assert "not read: 1 (unreadable 1: " in done.stderr
