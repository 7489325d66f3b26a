"""Episodes: each silence is one, however many reminders it leads to, with one decision and one outcome."""

from collections.abc import Callable

from consumer.clock import DAY, HOUR
from consumer.deliver.operations.retention import Retention
from consumer.ledger import queries
from consumer.ledger.queries.episodes import ArmDay, EpisodeCount
from consumer.records import ReminderKind

from .deliver_diary import Diary
from .detect_diary import moment

Begin = Callable[..., Diary]


def episodes(diary: Diary) -> list[tuple[str, str, str]]:
    """Return the decision, the reason and the outcome of each episode, by day."""
    return [(c.decision, c.reason, c.outcome) for c in counts(diary) for _ in range(c.count)]


def arms(diary: Diary) -> list[ArmDay]:
    now = diary.clock.now()
    with diary.ledger.reading() as connection:
        return queries.episodes.arms(connection, 0, now + DAY, None, over_before=now)


def counts(diary: Diary) -> list[EpisodeCount]:
    with diary.ledger.reading() as connection:
        return queries.episodes.counts(connection, 0, diary.clock.now() + DAY, None)


def test_two_steps_of_one_silence_are_one_episode(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().at("Wed 09:00").detect_is_at().due("maria", step=1).works()
    [episode] = counts(deliver)
    assert (episode.decision, episode.step, episode.count, episode.first) == ("sent", 0, 1, True)


def test_sent_and_then_completed(deliver: Diary) -> None:
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works()
    deliver.at("Mon 12:00").returned("maria", lapsed="Mon 09:00").completed("maria", lapsed="Mon 09:00")
    assert episodes(deliver) == [("sent", "", "completed")]


def test_return_alone_is_no_completion(deliver: Diary) -> None:
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works()
    deliver.at("Mon 12:00").returned("maria", lapsed="Mon 09:00")
    assert episodes(deliver) == [("sent", "", "returned")]


def test_cancellation_is_no_completion(deliver: Diary) -> None:
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works().at("Mon 12:00")
    deliver.takes(deliver.reminder(ReminderKind.CANCELLED, "maria", lapsed="Mon 09:00"))
    assert episodes(deliver) == [("sent", "", "cancelled")]


def test_completion_after_the_horizon_is_not_counted(deliver: Diary) -> None:
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works()
    deliver.after(7 * DAY + HOUR).completed("maria", lapsed="Mon 09:00")
    assert episodes(deliver) == [("sent", "", "none")]


def test_reason_of_the_last_checks_is_kept(deliver: Diary) -> None:
    deliver.due("maria").works()
    assert episodes(deliver) == [("not_sent", "no_contact", "none")]
    deliver.knows("maria", opt_in=False).works()
    assert episodes(deliver) == [("not_sent", "no_opt_in", "none")]


def test_deferred_and_then_sent_counts_as_sent(deliver: Diary) -> None:
    deliver.due("maria").works()
    deliver.knows("maria").works()
    assert episodes(deliver) == [("sent", "", "none")]


def test_holdout_stays_a_holdout(begin: Begin) -> None:
    diary = begin(holdout=1.0).knows("maria").due("maria", lapsed="Mon 09:00").works()
    diary.at("Mon 15:00").completed("maria", lapsed="Mon 09:00")
    assert episodes(diary) == [("holdout", "", "completed")]


def test_second_silence_is_another_episode_and_not_the_first(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().at("Fri 09:00").detect_is_at().due("maria").works()
    assert [(each.decision, each.first) for each in counts(deliver)] == [("sent", True), ("sent", False)]


def test_old_episodes_become_counts_and_nothing_is_lost(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 612 345 679", opt_in=False)
    deliver.due("maria", lapsed="Mon 09:00").due("paul", lapsed="Mon 09:00").works()
    deliver.at("Mon 12:00").completed("maria", lapsed="Mon 09:00")
    before = counts(deliver)
    deliver.after(100 * DAY)
    arms_before = arms(deliver)
    assert [(each.decision, each.episodes, each.completed) for each in arms_before] == [("sent", 1, 1)]
    retention = Retention(deliver.ledger, keep_ms=90 * DAY, now=deliver.clock.now)
    while retention.step():
        pass
    with deliver.ledger.reading() as connection:
        assert queries.reporting.history.reminders_of(connection, "paul", None, 10) == []
    assert counts(deliver) == before
    assert arms(deliver) == arms_before
    assert [(each.decision, each.reason, each.outcome) for each in before] == [
        ("not_sent", "no_opt_in", "none"),
        ("sent", "", "completed"),
    ]


def test_counts_of_some_days_and_one_process(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().at("Fri 09:00").detect_is_at().due("maria", "checkout").works()
    with deliver.ledger.reading() as connection:
        found = queries.episodes.counts(connection, moment("Thu 00:00"), moment("Sun 00:00"), None)
        assert [each.process for each in found] == ["checkout"]
        assert queries.episodes.counts(connection, 0, moment("Sun 00:00"), "account-setup")[0].count == 1
