"""Encodes reminders for their topic: single ones with fastavro, lapses and what follows them by the batch."""

import numpy as np

from consumer import byte_cells
from consumer.activity.avro import batch_writer
from consumer.activity.record_codec import RecordCodec
from consumer.byte_cells import Cells
from consumer.detect.reminder_batch import ReminderBatch
from consumer.records import Reminder, ReminderKind

_NULL, _VALUE = 0, 2  # the branches of a union, as Avro writes them: zigzag
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
        rows = len(batch)
        value = byte_cells.constant(bytes([_VALUE]), rows)
        ids = batch.ids()
        process = byte_cells.constant(batch.process.encode(), rows)
        action_branch = np.where(batch.has_action, _VALUE, _NULL).astype(np.uint8)[:, None]
        action_length = batch_writer.longs(byte_cells.lengths(batch.actions))
        last_seen, lapsed_at = batch.last_seen, batch.last_seen + batch.remind_after
        columns = [
            byte_cells.constant(self._header + bytes([_VALUE, 2 * ids.shape[1]]), rows),
            Cells(ids, np.ones(ids.shape, np.bool_)),
            byte_cells.constant(bytes([_KINDS[batch.kind], _VALUE]), rows),
            *batch_writer.texts(batch.users),
            value,
            *batch_writer.texts(process),
            value,
            batch_writer.longs(batch.steps),
            Cells(action_branch, np.ones(action_branch.shape, np.bool_)),
            Cells(action_length.cells, action_length.used & batch.has_action[:, None]),
            batch.actions,
            value,
            batch_writer.longs(last_seen),
            value,
            batch_writer.longs(lapsed_at),
            batch_writer.longs(batch.occurred_at),
            batch_writer.longs(np.array([batch.detected_at])).take(np.zeros(rows, np.int64)),
            byte_cells.constant(bytes([_NULL] * 4), rows),  # what only a watermark tells
        ]
        return byte_cells.join([batch.users]), byte_cells.join(columns)
