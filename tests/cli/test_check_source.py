"""`lapse check` on what the newest events hold: paths, names and kinds, against those configured."""

from collections.abc import Sequence
from typing import Any

from consumer.commands.check.event_names import NamesSeen, check_names, never_seen
from consumer.commands.check.source_paths import check_paths
from consumer.config.sections.source import SourceSettings
from tests.activity.writing import process

OWN = SourceSettings(format="json", user="user.id", time="ts", event="type")
CHECKOUT = process(active_on=("cart.updated",), complete_on=("order.payed",))


def event(name: str, user: object = 42, **more: Any) -> dict[str, Any]:
    return {"user": {"id": user}, "ts": 1_790_000_000_000, "type": name, **more}


def names(source: SourceSettings, events: Sequence[dict[str, Any]], **processes: Any) -> list[str]:
    seen = NamesSeen().add(source, events)
    return [str(line) for line in check_names(source, processes, seen)]


def paths(source: SourceSettings, events: Sequence[dict[str, Any]]) -> list[str]:
    return [str(line) for line in check_paths(source, events)]


class TestPaths:
    def test_shares_of_paths_are_told(self) -> None:
        some = [event("a"), event("b", None), event("c"), event("d")]
        assert paths(OWN, some) == [
            "✓ paths of source: user.id in 75.0%, ts in all, type in all of the newest 4 events"
        ]

    def test_path_that_matches_nothing_is_named_as_configured_with_the_nearest(self) -> None:
        source = OWN.model_copy(update={"user": "usr.id", "action": "what"})
        first, second, third = paths(source, [event("a"), event("b")])
        assert first == (
            "✗ source.user: usr.id: is in none of the newest 2 events; did you mean user.id (in 2 of them)?"
        )
        assert second.startswith("✗ source.action: what: is in none of the newest 2 events; they have: ")
        assert third.startswith("✓ paths of source: ts in all, type in all")

    def test_events_of_another_shape_are_told_where_no_path_is_set(self) -> None:
        lines = paths(SourceSettings(format="json"), [event("a")])
        assert lines[0].startswith("✗ source: user_id: is in none of the newest 1 events; did you mean user.id")

    def test_no_events_say_nothing(self) -> None:
        assert paths(OWN, []) == []


class TestNamesOfEvents:
    def test_name_never_seen_is_wrong_and_the_nearest_is_named(self) -> None:
        seen = [event("cart.updated")] * 3 + [event("order.paid")] * 2
        wrong, listed = names(OWN, seen, checkout=CHECKOUT)
        assert wrong.startswith("✗ processes.checkout.complete_on: order.payed was never seen in 5 events: ")
        assert wrong.endswith("did you mean order.paid (2 times)?")
        assert listed == "✓ events seen: cart.updated 3 (goes on with checkout); used by nothing: order.paid 2"

    def test_nearest_is_found_in_whatever_case(self) -> None:
        seen = [event("cart.updated"), event("ORDER.PAYED")]
        assert "did you mean ORDER.PAYED (1 times)?" in names(OWN, seen, checkout=CHECKOUT)[0]

    def test_name_without_a_like_asks_for_its_spelling(self) -> None:
        assert "is it spelt as the events have it?" in names(OWN, [event("cart.updated")], checkout=CHECKOUT)[0]

    def test_event_of_several_processes_names_all(self) -> None:
        other = process(active_on=("seen",), cancel_on=("cart.updated",))
        fine = process(active_on=("cart.updated",), complete_on=("paid",))
        *_, line = names(OWN, [event("cart.updated"), event("paid"), event("seen")], checkout=fine, other=other)
        assert "cart.updated 1 (goes on with checkout and cancels other)" in line

    def test_process_that_nothing_ends_is_pointed_out(self) -> None:
        first, _ = names(OWN, [event("cart.updated")], checkout=process(active_on=("cart.updated",)))
        assert first.startswith("✓ processes.checkout: no event completes or cancels it: whoever has finished")

    def test_many_unused_names_are_counted(self) -> None:
        fine = process(active_on=("e0",), complete_on=("e1",))
        line = names(OWN, [event(f"e{n}") for n in range(20)], checkout=fine)[-1]
        assert line.endswith("and 6 more")

    def test_what_is_missing_is_looked_for_in_older_events(self) -> None:
        seen = NamesSeen().add(OWN, [event("cart.updated")])
        assert never_seen(OWN, {"checkout": CHECKOUT}, seen) == ["order.payed"]
        assert not never_seen(OWN, {"checkout": CHECKOUT}, seen.add(OWN, [event("order.payed")]))


class TestNamesOfProcesses:
    def test_process_never_seen_is_wrong(self) -> None:
        native = SourceSettings(format="json")
        seen = [{"process": "check-out", "kind": "STARTED"}, {"process": "check-out", "kind": "COMPLETED"}]
        lines = names(native, seen, checkout=process())
        assert lines == [
            "✗ processes.checkout: checkout was never seen in 2 events: did you mean check-out (2 times)?",
            "✓ processes seen: none that is configured; used by nothing: check-out 2",
            "✓ kinds: STARTED 1, COMPLETED 1",
        ]

    def test_kind_that_is_not_known_ends_nothing(self) -> None:
        native = SourceSettings(format="json")
        seen = [{"process": "checkout", "kind": "started"}, {"process": "checkout", "kind": "DONE"}]
        lines = names(native, seen, checkout=process())
        assert lines[1].startswith("✗ kinds: DONE 1 is not known: it counts as activity, so it ends nothing")
        assert lines[2] == "✓ kinds: started 1"
