"""Which paths `lapse init` proposes for the events of well-known shapes."""

from typing import Any

import pytest

from consumer.commands.init.proposals import Record, propose

NOW = 1_790_000_000_000


def records(*events: dict[str, Any], key: str | None = None, lag: int = 40) -> list[Record]:
    return [Record(event, key, NOW + lag) for event in events]


def best(events: list[Record]) -> tuple[str, ...]:
    found = propose(events)
    return tuple(each[0].path if each else "" for each in (found.user, found.time, found.event))


def own(n: int, name: str) -> dict[str, Any]:
    return {"user": {"id": 40 + n}, "type": name, "ts": NOW, "cart": {"id": f"c{n}", "updated_at": NOW - 10**9}}


def segment(n: int, name: str) -> dict[str, Any]:
    return {
        "type": "track", "event": name, "userId": f"u{n}", "anonymousId": f"a{n}", "messageId": f"m{n}",
        "timestamp": "2026-09-21T14:13:20.000Z", "sentAt": "2026-09-21T14:13:20.000Z",
        "context": {"page": {"title": "Home"}}, "properties": {"order_id": f"o{n}"},
    }  # fmt: skip


def snowplow(n: int, name: str) -> dict[str, Any]:
    return {"event_id": f"e{n}", "event_name": name, "customer_id": f"{n}", "collector_tstamp": NOW / 1000.0, "n": n}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (own, ("user.id", "ts", "type")),
        (segment, ("userId", "timestamp", "event")),
        (snowplow, ("customer_id", "collector_tstamp", "event_name")),
    ],
)
def test_paths_of_well_known_shapes(shape: Any, expected: tuple[str, ...]) -> None:
    assert best(records(*[shape(n, f"name-{n % 4}") for n in range(20)])) == expected


def test_key_of_the_record_tells_who_the_user_is() -> None:
    some = [Record({"who": f"w{n}", "account": f"a{n}", "at": NOW, "kind": "x"}, f"w{n}", NOW) for n in range(9)]
    assert best(some)[0] == "who"


def test_example_is_short_and_safe_to_show() -> None:
    found = propose(records({"user_id": "a\x1b[2J" + "b" * 60, "ts": NOW, "type": "x"}))
    assert found.user[0].example == "a�[2J" + "b" * 34 + "…"


def test_own_schema_needs_no_path() -> None:
    event = {"event_id": "1", "user_id": "ann", "process": "checkout", "kind": "STARTED", "occurred_at": NOW}
    assert propose(records(event)).native


def test_fields_that_few_events_have_are_not_proposed() -> None:
    some = records(*[{"ts": NOW, "type": "x"}] * 9, {"ts": NOW, "type": "x", "user_id": "ann"})
    assert best(some) == ("", "ts", "type")


def test_dots_in_names_are_escaped() -> None:
    assert best(records({"user.id": "ann", "ts": NOW, "type": "x"}))[0] == r"user\.id"
