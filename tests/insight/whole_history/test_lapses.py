"""The lapses of a whole history are exactly those of a model that takes one record and one moment at a time."""

from collections import Counter

from hypothesis import given

from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.insight.whole_history.lapses import OUTCOMES, find_lapses
from consumer.records import UserActivity
from tests.detect.model import Model
from tests.insight.test_replay import END, histories, rules
from tests.insight.whole_history.columns import activities_of


@given(histories, rules)
def test_lapses_equal_the_model_with_an_ideal_watermark(
    history: list[tuple[UserActivity, int]], rules: LapseRules
) -> None:
    processes = Processes(rules)
    found: Counter[tuple[str, int, str]] = Counter()
    asked = []
    for part in find_lapses(activities_of(history, processes.known), processes, END):
        for code, step, lapsed_at, outcome in zip(*(column.tolist() for column in part[1:]), strict=True):
            found[processes.names[code], step, OUTCOMES[outcome]] += 1
            if OUTCOMES[outcome] == "asked":
                asked.append((processes.names[code], step, lapsed_at))
    assert (sorted(asked), found) == expected(history, rules)


def expected(
    history: list[tuple[UserActivity, int]], rules: LapseRules
) -> tuple[list[tuple[str, int, int]], Counter[tuple[str, int, str]]]:
    """Return what the model asks for, as process, step and time, and its lapses."""
    model, asked, lapses = Model(rules), list[tuple[str, int, int]](), Counter[tuple[str, int, str]]()

    def notice(clock: int) -> None:
        reminders, counted = model.notice(clock, clock)
        asked.extend((each.process or "", each.step or 0, each.lapsed_at or 0) for each in reminders)
        lapses.update(counted)

    clock = 0
    for event, written_at in [*sorted(history, key=lambda each: each[1]), (None, END)]:
        for moment in range(clock + 1, written_at + 1):
            notice(moment)
        clock = written_at
        if event is not None:
            model.hear([(event, written_at)], clock)
            notice(clock)
    return sorted(asked), lapses
