"""What a state was made from, and what happens when that is no longer there (ARCHITECTURE.md#lapse-rules,
"Lineage")."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.clock import DAY, HOUR
from consumer.detect.lapse_rules import EVERY_LAPSE, AskedFrom, Processes, reminder_id
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage, rebuild_marker
from consumer.kafka.changelog.lineage import InputTopic, Lineage
from consumer.kafka.changelog.rebuild_marker import RebuildMarker
from consumer.kafka.changelog.restore import Start, StateRefused, continue_lineage
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.changelog.writer import ChangelogWriter
from tests.detect.hearing import INPUT

from .detect_diary import RULES, Diary, ladder, moment

TOPIC = InputTopic(name="user-activity", topic_id="one", partitions=20)
LADDERS = {"checkout": (2 * HOUR,), "account-setup": (24 * HOUR, 72 * HOUR)}


def stored(topic: InputTopic = TOPIC) -> Lineage:
    return lineage.create(topic, LADDERS)


def update(stored: Lineage, ladders: Mapping[str, Sequence[int]], now: int, *, endings_missed: bool = False) -> Lineage:
    return lineage.update(stored, TOPIC, ladders, now, endings_missed=endings_missed, started_at=now)


class TestTheInput:
    def test_that_is_the_same_fits(self) -> None:
        assert lineage.check(stored(), TOPIC, LADDERS) == lineage.Difference(None)

    def test_that_was_deleted_and_made_again_does_not_fit(self) -> None:
        refusal = lineage.check(stored(), replace(TOPIC, topic_id="two"), LADDERS).refusal
        assert refusal is not None
        assert refusal.startswith("user-activity was deleted and made again")

    def test_whose_broker_tells_no_id_is_taken_for_the_same(self) -> None:
        assert lineage.check(stored(), replace(TOPIC, topic_id=None), LADDERS).refusal is None
        assert lineage.check(stored(replace(TOPIC, topic_id=None)), TOPIC, LADDERS).refusal is None

    @pytest.mark.parametrize("count", [19, 21, 40])
    def test_with_another_number_of_partitions_does_not_fit(self, count: int) -> None:
        refusal = lineage.check(stored(), replace(TOPIC, partitions=count), LADDERS).refusal
        assert refusal is not None
        assert f"has {count} partitions now, and 20 when its state was written" in refusal

    def test_that_does_not_fit_stops_the_partition_with_what_to_do(self) -> None:
        with pytest.raises(StateRefused, match="stop every detect process and run `lapse state rebuild`"):
            continue_lineage(
                ChangelogWriter("lapse", stored()),
                Processes(RULES),
                replace(TOPIC, partitions=21),
                0,
                endings_missed=False,
                started_at=0,
            )


class TestProcesses:
    def test_that_are_new_gone_back_and_changed_are_told(self) -> None:
        now = {"checkout": (HOUR,), "upload": (HOUR,)}
        first = lineage.check(stored(), TOPIC, now)
        assert (first.new, first.gone, first.changed, first.back) == (
            ("upload",),
            ("account-setup",),
            ("checkout",),
            (),
        )
        later = update(stored(), now, 5)
        assert later.processes["account-setup"].gone_since == 5
        assert lineage.check(later, TOPIC, now) == lineage.Difference(None)
        assert lineage.check(later, TOPIC, LADDERS).back == ("account-setup",)
        assert update(later, now, 9).processes["account-setup"].gone_since == 5

    def test_that_were_missing_for_one_run_have_heard_the_completions_of_that_run(self) -> None:
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("ken", "STARTED", "checkout")
        diary.passes().crashes_and_restarts(ladder(account_setup=(24 * HOUR, 72 * HOUR)))
        diary.at("Mon 10:00").happens("maria", "COMPLETED", "checkout").passes()
        diary.at("Mon 12:00").passes().says_nothing()
        diary.crashes_and_restarts(RULES)
        diary.at("Mon 12:01").passes().says("DUE ken checkout 0")

    def test_whose_events_are_mapped_count_from_when_they_are_back(self) -> None:
        gone = update(stored(), {"checkout": (2 * HOUR,)}, moment("Mon 09:00"), endings_missed=True)
        back = update(gone, LADDERS, moment("Mon 12:00"), endings_missed=True)
        assert back.processes["account-setup"].not_before == moment("Mon 12:00")
        assert back.processes["checkout"].not_before is None
        again = update(back, LADDERS, moment("Mon 13:00"), endings_missed=True)
        assert again.processes["account-setup"].not_before == moment("Mon 12:00")

    def test_that_count_from_some_time_ask_nothing_of_who_was_seen_before(self) -> None:
        diary = Diary()
        diary.partition.table.processes.ask_only_from("checkout", moment("Mon 09:30"))
        diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").passes()
        diary.at("Mon 09:30").happens("ken", "STARTED", "checkout").passes()
        diary.at("Mon 12:00").passes().says("DUE ken checkout 0")


class TestRungs:
    def test_that_remain_keep_their_ids_and_that_move_down_do_not_take_anothers(self) -> None:
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
        first = diary.heard[0].reminder_id
        diary.crashes_and_restarts(ladder(account_setup=(72 * HOUR,), checkout=(2 * HOUR,)))
        diary.at("Thu 09:01").passes().says("DUE maria account-setup 0")
        assert diary.heard[0].reminder_id != first
        assert diary.heard[0].reminder_id == reminder_id("maria", "account-setup", moment("Mon 09:00"), 72 * HOUR)

    def test_that_were_taken_out_are_still_taken_back_by_their_own_id(self) -> None:
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
        asked = diary.heard[0]
        diary.crashes_and_restarts(ladder(account_setup=(72 * HOUR,), checkout=(2 * HOUR,)))
        diary.at("Tue 10:00").happens("maria", "COMPLETED").passes().says("COMPLETED maria account-setup 0")
        assert diary.heard[0].reminder_id == asked.reminder_id
        assert diary.heard[0].lapsed_at == asked.lapsed_at

    def test_that_are_new_ask_nobody_who_had_passed_them_whatever_was_asked_before(self) -> None:
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").passes()
        diary.at("Mon 10:10").happens("eve", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0", "DUE ken account-setup 0")
        diary.crashes_and_restarts(ladder(account_setup=(HOUR, 24 * HOUR, 25 * HOUR), checkout=(2 * HOUR,)))
        diary.at("Tue 10:31").passes().says(
            "DUE eve account-setup 1", "DUE maria account-setup 2", "DUE ken account-setup 2"
        )

    def test_that_are_new_were_passed_by_those_who_wait_for_an_older_one_too(self) -> None:
        only_first = ladder(account_setup=(24 * HOUR,), checkout=(2 * HOUR,))
        diary = Diary(only_first).at("Mon 09:00").happens("maria", "STARTED").passes()
        diary.at("Tue 11:00").crashes_and_restarts(ladder(account_setup=(24 * HOUR, 25 * HOUR), checkout=(2 * HOUR,)))
        diary.passes().says("DUE maria account-setup 0")
        diary.at("Fri 11:00").passes().says_nothing()

    def test_that_went_and_came_back_count_as_new(self) -> None:
        shorter = ladder(account_setup=(24 * HOUR,), checkout=(2 * HOUR,))
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
        diary.crashes_and_restarts(shorter).at("Thu 10:00").passes().says_nothing()
        diary.crashes_and_restarts(RULES).passes().says_nothing()
        diary.crashes_and_restarts(RULES).at("Fri 10:00").passes().says_nothing()

    def test_of_a_process_that_is_new_count_from_then(self) -> None:
        later = update(stored(), {**LADDERS, "upload": (HOUR, 2 * HOUR)}, moment("Mon 09:00"))
        assert later.asked_from.rungs == {"upload": dict.fromkeys((HOUR, 2 * HOUR), moment("Mon 09:00"))}
        again = update(later, {"upload": (HOUR, 3 * HOUR)}, moment("Mon 10:00"))
        assert again.asked_from.rungs == {"upload": {HOUR: moment("Mon 09:00"), 3 * HOUR: moment("Mon 10:00")}}


class TestTheFirstStart:
    def first(self, start: str) -> Diary:
        """Return a diary whose first start was then."""
        asked_from = AskedFrom(start=moment(start))
        table = Table(Processes(RULES))
        table.row_rules.ask_from(asked_from)
        diary = Diary()
        writer = ChangelogWriter("lapse", lineage.create(INPUT, RULES.ladders, asked_from=asked_from))
        diary._start(Start(table, writer, 0, None, first=True))
        return diary

    def test_counts_what_lapsed_before_it_and_asks_for_none(self) -> None:
        diary = self.first("Wed 11:00").at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED")
        assert diary.at("Wed 11:00").lapses() == {("account-setup", 0, "before_start"): 2}
        assert not diary.partition.uncommitted

    def test_asks_for_the_next_step_in_its_time_and_for_who_comes_back(self) -> None:
        diary = self.first("Wed 11:00").at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED")
        diary.at("Wed 11:00").passes().says_nothing()
        diary.at("Wed 12:00").happens("ken", "PROGRESSED").passes().says_nothing()
        diary.at("Thu 09:01").passes().says("DUE maria account-setup 1")
        diary.at("Thu 12:01").passes().says("DUE ken account-setup 0")

    def test_is_remembered_while_it_reads_on(self) -> None:
        diary = self.first("Wed 11:00").at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED")
        diary.at("Wed 11:00").asks_for_the_end().reads(1).crashes_and_restarts()
        diary.at("Wed 11:05").passes().says_nothing()
        diary.at("Thu 09:01").passes().says("DUE maria account-setup 1", "DUE ken account-setup 1")

    def test_asks_for_a_lapse_at_that_very_moment(self) -> None:
        diary = self.first("Tue 09:00").at("Mon 09:00").happens("maria", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")

    def test_counts_as_expired_what_has_expired_anyhow(self) -> None:
        diary = self.first("Mon+1w 09:00").at("Mon 09:00").happens("maria", "STARTED", "checkout")
        assert diary.at("Mon+1w 09:00").lapses() == {("checkout", 0, "expired"): 1}

    def test_is_no_reason_to_hold_what_is_only_counted(self) -> None:
        diary = self.first("Wed 11:00").at("Mon 09:00").happens("maria", "STARTED").passes()
        table = diary.partition.table
        table.advance_to(moment("Wed 11:00"), 0, hold=True)
        assert table.waiting == 0


class TestARebuild:
    def test_is_no_first_start_and_remembers_when_that_was(self) -> None:
        one = replace(stored(), asked_from=AskedFrom(start=5, rungs={"checkout": {HOUR: 9}}))
        two = replace(stored(), asked_from=AskedFrom(start=7, rungs={"checkout": {HOUR: 8, DAY: 3}}))
        ladders = {**LADDERS, "checkout": (HOUR, 2 * HOUR, DAY)}
        stored_ladder = {"checkout": lineage.ProcessLineage(ladder=list(ladders["checkout"]))}
        one, two = (replace(each, processes={**each.processes, **stored_ladder}) for each in (one, two))
        found = lineage.latest_asked_from([one, two], ladders, 20)
        assert found == AskedFrom(start=7, rungs={"checkout": {HOUR: 9, DAY: 3}})
        assert lineage.latest_asked_from([stored()], LADDERS, 20) == EVERY_LAPSE

    def test_counts_a_rung_that_is_new_with_it_from_then(self) -> None:
        found = lineage.latest_asked_from([stored()], {**LADDERS, "checkout": (HOUR, 2 * HOUR)}, 20)
        assert found == AskedFrom(rungs={"checkout": {HOUR: 20}})

    def test_writes_what_it_remembers_so_that_it_can_be_read(self) -> None:
        asked_from = AskedFrom(start=7, rungs={"checkout": {HOUR: 9}})
        marker = RebuildMarker(group="lapse", offset=0, grown_at=None, asked_from=asked_from)
        _, value, headers = marker.record(Seal(b"key", 3))
        assert rebuild_marker.parse(Seal(b"key", 3), "lapse", headers, value or b"") == marker
        with pytest.raises(DamagedState, match="checksum"):
            rebuild_marker.parse(Seal(b"another key", 3), "lapse", headers, value or b"")
        with pytest.raises(DamagedState, match="group"):
            rebuild_marker.parse(Seal(b"key", 3), "another", headers, value or b"")


def test_after_growth_nobody_is_asked_who_was_last_seen_before() -> None:
    grown_at = moment("Mon 10:00")
    diary = Diary()
    writer = ChangelogWriter("lapse", lineage.create(TOPIC, RULES.ladders, grown_at=grown_at))
    diary._start(Start(Table(Processes(RULES), not_before=grown_at), writer, 0, None, first=True))
    diary.at("Mon 09:59").happens("maria", "STARTED", "checkout").happens("ken", "STARTED", "checkout")
    diary.at("Mon 10:01").happens("ken", "PROGRESSED", "checkout").passes()
    diary.crashes_and_restarts()
    diary.at("Mon 12:02").passes().says("DUE ken checkout 0")
    diary.at("Tue 12:02").passes().says_nothing()


def test_who_was_last_seen_before_the_growth_leaves_the_table_in_time() -> None:
    table = Table(Processes(RULES), not_before=moment("Mon 10:00"))
    diary = Diary()
    diary._start(Start(table, ChangelogWriter("lapse", stored()), 0, None, first=True))
    diary.at("Mon 09:59").happens("maria", "STARTED", "checkout").passes()
    diary.now += 7 * DAY
    diary.passes()
    assert len(table) == 0
