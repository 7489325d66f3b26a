"""What a state was made from, and what happens when that is no longer there (ARCHITECTURE.md#lapse-rules,
"Lineage")."""

from dataclasses import replace

import pytest

from consumer.clock import DAY, HOUR
from consumer.detect.lapse_rules import Processes, reminder_id
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.lineage import InputTopic, Lineage
from consumer.kafka.changelog.restore import Start, StateRefused, continue_lineage
from consumer.kafka.changelog.writer import ChangelogWriter

from .detect_diary import RULES, Diary, ladder, moment

TOPIC = InputTopic(name="user-activity", topic_id="one", partitions=20)
LADDERS = {"checkout": (2 * HOUR,), "account-setup": (24 * HOUR, 72 * HOUR)}


def stored(topic: InputTopic = TOPIC) -> Lineage:
    return lineage.begin(topic, LADDERS)


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
        later = lineage.go_on(stored(), TOPIC, now, 5, endings_missed=False)
        assert later.processes["account-setup"].gone_since == 5
        assert lineage.check(later, TOPIC, now) == lineage.Difference(None)
        assert lineage.check(later, TOPIC, LADDERS).back == ("account-setup",)
        assert lineage.go_on(later, TOPIC, now, 9, endings_missed=False).processes["account-setup"].gone_since == 5

    def test_that_were_missing_for_one_run_have_heard_the_completions_of_that_run(self) -> None:
        diary = Diary().at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("ken", "STARTED", "checkout")
        diary.passes().crashes_and_restarts(ladder(account_setup=(24 * HOUR, 72 * HOUR)))
        diary.at("Mon 10:00").happens("maria", "COMPLETED", "checkout").passes()
        diary.at("Mon 12:00").passes().says_nothing()
        diary.crashes_and_restarts(RULES)
        diary.at("Mon 12:01").passes().says("DUE ken checkout 0")

    def test_whose_events_are_mapped_count_from_when_they_are_back(self) -> None:
        gone = lineage.go_on(stored(), TOPIC, {"checkout": (2 * HOUR,)}, moment("Mon 09:00"), endings_missed=True)
        back = lineage.go_on(gone, TOPIC, LADDERS, moment("Mon 12:00"), endings_missed=True)
        assert back.processes["account-setup"].not_before == moment("Mon 12:00")
        assert back.processes["checkout"].not_before is None
        again = lineage.go_on(back, TOPIC, LADDERS, moment("Mon 13:00"), endings_missed=True)
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


def test_after_growth_nobody_is_asked_who_was_last_seen_before() -> None:
    grown_at = moment("Mon 10:00")
    diary = Diary()
    writer = ChangelogWriter("lapse", lineage.begin(TOPIC, RULES.ladders, grown_at))
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
