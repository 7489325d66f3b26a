"""Encodes reminders for their topic: single ones with fastavro, lapses and what follows them by the batch."""

import numpy as np

from consumer.activity.avro import batch_writer
from consumer.activity.avro.batch_writer import NULL, VALUE
from consumer.activity.record_codec import RecordCodec
from consumer.byte_columns import cells
from consumer.byte_columns.cells import Cells
from consumer.detect.reminder_batch import ReminderBatch
from consumer.records import Reminder, ReminderKind

_KINDS = {kind: 2 * number for number, kind in enumerate(ReminderKind)}
"""The symbols of the schema's enum, in its order."""


class ReminderEncoder:
    """Returns keys and values of the topic's records."""

    def __init__(self, codec: RecordCodec, topic: str) -> None:
        """May ask the schema registry. Raises RegistryUnavailable, SchemaRefused."""
        self._codec = codec
        self._topic = topic
        self._header = codec.register(topic, Reminder)

    def encode(self, reminder: Reminder) -> bytes:
        """Return the value of one reminder."""
        return self._codec.encode(reminder, self._topic)

    def encode_batch(self, batch: ReminderBatch) -> tuple[list[bytes], list[bytes]]:
        """Return the keys and the values, as `encode` would one by one."""
        ids, rows = batch.ids(), len(batch)
        [process] = cells.join(batch_writer.texts(cells.of_texts([batch.process.encode()])))
        [detected_at] = cells.join([batch_writer.longs(np.array([batch.detected_at]))])
        lapsed_at = batch.last_seen + batch.remind_after
        columns = [
            cells.constant(self._header + bytes([VALUE, 2 * ids.shape[1]]), rows),
            Cells(ids),
            cells.constant(bytes([_KINDS[batch.kind], VALUE]), rows),
            *batch_writer.texts(batch.users),
            cells.constant(bytes([VALUE]) + process + bytes([VALUE]), rows),
            batch_writer.longs(batch.steps),
            *batch_writer.nullable_texts(batch.actions, batch.has_action),
            cells.constant(bytes([VALUE]), rows),
            batch_writer.longs(batch.last_seen),
            cells.constant(bytes([VALUE]), rows),
            batch_writer.longs(lapsed_at),
            batch_writer.longs(batch.occurred_at),
            cells.constant(detected_at + bytes([NULL] * 4), rows),  # nulls: what only a watermark tells
        ]
        return cells.join([batch.users]), cells.join(columns)
