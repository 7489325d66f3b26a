"""What events of a platform's own mean: which processes they are about, and what of them is left alone."""

import json
from typing import Any

import pytest

from consumer.activity.decoder import Decoded
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.records import Ending

from .writing import NOON, at_noon, own_events, process, reasons, rows

NONE, CANCELLED, COMPLETED = Ending
PATHS = {"format": "json", "user": "who", "time": "at"}
BY_NAME = SourceSettings.model_validate({**PATHS, "event": "name"})
IN_PROCESS = SourceSettings.model_validate({**PATHS, "process": "flow", "event": "name"})
BY_KIND = SourceSettings.model_validate({**PATHS, "process": "flow", "kind": "kind"})

SHOP = {
    "checkout": process(active_on=("cart viewed", "paying"), complete_on=("paid",), cancel_on=("cart emptied",)),
    "first-order": process(active_on=("signed up", "cart viewed"), complete_on=("paid",)),
}
FLOWS = {
    "kyc": process(complete_on=("approved",), cancel_on=("rejected",)),
    "upload": process(active_on=("chosen", "sent"), complete_on=("stored",)),
}


def said(**event: Any) -> bytes:
    return json.dumps({"who": "ann", "at": NOON, **event}).encode()


def heard(source: SourceSettings, processes: dict[str, ProcessSettings], *values: bytes | None) -> Decoded:
    return at_noon(own_events(source, processes), values)


class TestEventsThatHaveAName:
    def test_start_complete_and_cancel_the_processes_that_name_them(self) -> None:
        names = ["paying", "cart emptied", "signed up"]
        decoded = heard(BY_NAME, SHOP, *(said(name=name) for name in names))
        assert rows(decoded) == [
            ("ann", "checkout", NONE, None, NOON),
            ("ann", "checkout", CANCELLED, None, NOON),
            ("ann", "first-order", NONE, None, NOON),
        ]

    def test_may_be_about_several_processes(self) -> None:
        decoded = heard(BY_NAME, SHOP, said(name="paying"), said(name="cart viewed"), said(name="paid", who="bob"))
        assert decoded.frame["index"].to_list() == [0, 1, 1, 2, 2]
        assert rows(decoded)[1:] == [
            ("ann", "checkout", NONE, None, NOON),
            ("ann", "first-order", NONE, None, NOON),
            ("bob", "checkout", COMPLETED, None, NOON),
            ("bob", "first-order", COMPLETED, None, NOON),
        ]
        assert decoded.ignored == 0

    def test_are_ignored_and_counted_where_no_process_names_them(self) -> None:
        values = [said(name="logged in"), said(name="paying"), said(), said(name=None), said(name="Paying")]
        decoded = heard(BY_NAME, SHOP, *values)
        assert decoded.frame["index"].to_list() == [1]
        assert (decoded.ignored, decoded.bad) == (4, [])

    def test_are_ignored_whatever_else_they_hold(self) -> None:
        values = [said(name="logged in", at="?", who={"id": 1}), said(at=[]), said(name=["paying"], who=7.5)]
        decoded = heard(BY_NAME, SHOP, *values)
        assert (decoded.frame.height, decoded.ignored, decoded.bad) == (0, 3, [])

    def test_of_nobody_concern_nobody(self) -> None:
        visitor = json.dumps({"at": NOON, "name": "paying"}).encode()
        decoded = heard(BY_NAME, SHOP, visitor, said(name="paying", who=None), said(name="paying"))
        assert decoded.frame["index"].to_list() == [2]
        assert (decoded.ignored, decoded.bad) == (2, [])

    def test_that_are_bad_are_bad_once(self) -> None:
        values = [
            said(name="paid", who=""),
            said(name="cart viewed", at=5_000),
            said(name="paid", at=None),
            said(name="paid", who="x" * 256),
            said(name="paid"),
        ]
        decoded = heard(BY_NAME, SHOP, *values)
        expected = ["time_before_2000", "missing_field", "user_id_too_long"]
        assert [(bad.index, bad.reason) for bad in decoded.bad] == list(enumerate(expected, 1))
        assert decoded.blank == 1, "the event of nobody, about two processes"
        assert decoded.frame["index"].to_list() == [4, 4]

    def test_may_be_numbers(self) -> None:
        decoded = heard(BY_NAME, {"p": process(active_on=("17",))}, said(name=17, who=42), said(name=18))
        assert rows(decoded) == [("42", "p", NONE, None, NOON)]

    def test_are_read_alike_in_batches_of_any_size(self) -> None:
        names = ["cart viewed", "logged in", "paid", "paying"]
        values = [said(name=name, who=f"u{n}") for n in range(300) for name in names]
        large, small = heard(BY_NAME, SHOP, *values), [heard(BY_NAME, SHOP, *values[n : n + 4]) for n in (0, 4, 1196)]
        assert (large.frame.height, large.ignored) == (1500, 300)
        assert rows(large)[:10] == rows(small[0]) + rows(small[1])
        assert rows(large)[-5:] == rows(small[2])


class TestEventsThatNameTheirProcess:
    def test_are_about_that_one_alone(self) -> None:
        values = [
            said(flow="kyc", name="approved"),
            said(flow="upload", name="sent"),
            said(flow="upload", name="stored"),
        ]
        assert rows(heard(IN_PROCESS, FLOWS, *values)) == [
            ("ann", "kyc", COMPLETED, None, NOON),
            ("ann", "upload", NONE, None, NOON),
            ("ann", "upload", COMPLETED, None, NOON),
        ]

    def test_keep_it_alive_by_any_name_unless_it_says_by_which(self) -> None:
        values = [
            said(flow="kyc", name="sent"),
            said(flow="kyc"),
            said(flow="upload", name="approved"),
            said(flow="upload"),
        ]
        decoded = heard(IN_PROCESS, FLOWS, *values)
        assert rows(decoded) == [("ann", "kyc", NONE, None, NOON)] * 2
        assert decoded.ignored == 2

    def test_without_a_process_are_ignored(self) -> None:
        decoded = heard(IN_PROCESS, FLOWS, said(name="approved"), said(flow=None, name="approved"), said(flow=[]))
        assert (decoded.frame.height, decoded.ignored, decoded.bad) == (0, 3, [])
        empty = [said(flow="", name="approved"), said(flow="", time="soon"), said(flow="", user="")]
        assert [heard(IN_PROCESS, FLOWS, *empty).ignored, heard(IN_PROCESS, FLOWS, *empty).bad] == [3, []]

    def test_of_a_process_that_is_not_configured_are_left_to_be_counted_as_such(self) -> None:
        decoded = heard(IN_PROCESS, FLOWS, said(flow="other", name="approved"))
        assert rows(decoded) == [("ann", "other", NONE, None, NOON)]

    def test_are_read_alike_in_batches_of_any_size(self) -> None:
        values = [
            said(flow=flow, name=name)
            for flow in ("kyc", "upload", "other", None)
            for name in ("approved", "sent", "seen", None)
        ]
        small, large = heard(IN_PROCESS, FLOWS, *values), heard(IN_PROCESS, FLOWS, *values * 50)
        assert rows(large) == rows(small) * 50
        assert large.ignored == 50 * small.ignored == 50 * 7


def test_a_kind_may_be_told_in_our_words() -> None:
    values = [said(flow="kyc", kind=kind) for kind in ("STARTED", "completed", "whatever", None)] + [
        said(kind="STARTED")
    ]
    decoded = heard(BY_KIND, {"kyc": process()}, *values)
    assert [row[1:3] for row in rows(decoded)] == [("kyc", NONE), ("kyc", COMPLETED), ("kyc", NONE)]
    assert (reasons(decoded), decoded.ignored) == ({3: "missing_field"}, 1)


@pytest.mark.parametrize("source", [BY_NAME, IN_PROCESS, BY_KIND])
def test_a_batch_of_nothing_is_an_empty_frame(source: SourceSettings) -> None:
    decoded = heard(source, SHOP)
    assert (decoded.frame.height, decoded.bad, decoded.ignored) == (0, [], 0)
    assert decoded.frame.columns == ["index", "user_id", "process", "ending", "action", "occurred_at", "written_at"]
