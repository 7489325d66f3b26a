"""The state topic beside the plain model: restarted at every commit, the table says what the model says."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.detect.lapse_rules import Processes
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from tests.detect.hearing import hear, new_writer
from tests.detect.model import Model
from tests.detect.test_table_against_model import RULES, frame, records, said

turns = st.one_of(
    st.tuples(st.just("hear"), st.lists(records, min_size=1, max_size=12)),
    st.tuples(st.just("clock"), st.integers(0, 40)),
)


class Topic:
    """One partition of the state topic. Compaction has been at work on it, or has not."""

    def __init__(self) -> None:
        self._log: list[ChangelogRecord] = []

    def takes(self, messages: list[ChangelogRecord]) -> None:
        self._log += messages

    def restores(self, *, compacted: bool) -> tuple[Table, ChangelogWriter, int, int | None]:
        latest = {message.key: message for message in self._log}
        reader = ChangelogReader("lapse", Processes(RULES))
        for message in self._log:
            if not compacted or (latest[message.key] is message and message.value is not None):
                reader.feed(message.key, message.value, message.headers)
        restored = reader.finish()
        assert restored is not None
        return restored.table, restored.writer, restored.offset, restored.watermark


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(turns, max_size=25), st.booleans())
def test_a_restart_at_every_commit_changes_nothing(history: list[tuple[str, Any]], compacted: bool) -> None:
    table, writer = Table(Processes(RULES)), new_writer("lapse", RULES.ladders)
    model, topic, clock = Model(RULES), Topic(), 0
    for offset, (turn, what) in enumerate(history):
        if turn == "hear":
            assert said(hear(table, frame(what), clock)) == said(model.hear(what, now=clock))
        else:
            clock += what
            noticed = table.advance_to(clock, now=clock)
            asked, counts = model.notice(clock, now=clock)
            assert (said(noticed.reminders()), noticed.lapses) == (said(asked), counts)
        topic.takes(writer.build_segments(table, offset, clock))
        table, writer, *reported = topic.restores(compacted=compacted)
        assert reported == [offset, clock]
        assert len(table) == len(model.lives)
