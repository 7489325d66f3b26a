"""Reminders as columns: what detect asks for by the ten thousand."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from consumer.byte_columns import cells
from consumer.byte_columns.cells import Bytes, Cells, Flags
from consumer.clock import Millis
from consumer.detect.lapse_rules import REMINDER_IDS, Times
from consumer.detect.storage.traces import Traces
from consumer.records import Reminder, ReminderKind

_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # of the digits of a UUID; a dash stands between two


@dataclass(frozen=True, slots=True)
class ReminderBatch:
    """Reminders of one kind and process, seen at one time. The columns are those of `records.Reminder`; `users` and
    `actions` are UTF-8 (no bytes where there is no action), `remind_after` is `lapsed_at - last_seen`; and `traces` are
    of the activities that began the silences."""

    kind: ReminderKind
    process: str
    users: Cells
    actions: Cells
    has_action: Flags
    steps: npt.NDArray[np.int64]
    last_seen: Times
    remind_after: Times
    occurred_at: Times
    detected_at: Millis
    traces: Traces | None = None

    def __len__(self) -> int:
        return self.steps.size

    def ids(self) -> Bytes:
        """Return the text of each `lapse_rules.reminder_id`, in a row of 36 cells.

        Its UUID of version 5 is the SHA-1 of a name, of which six bits are replaced.
        """
        few, which = np.unique(self.remind_after, return_inverse=True)
        spans = cells.of_texts([b":%d" % span for span in few.tolist()])
        hashed = cells.join(
            [
                cells.constant(REMINDER_IDS.bytes, len(self)),
                cells.decimals(cells.count_characters(self.users)),
                cells.constant(b":", len(self)),
                self.users,
                cells.constant(f"{len(self.process)}:{self.process}".encode(), len(self)),
                cells.decimals(self.last_seen),
                spans.take(which),
            ]
        )
        digests = b"".join([hashlib.sha1(name, usedforsecurity=False).digest() for name in hashed])
        uuids = np.frombuffer(digests, np.uint8).reshape(-1, 20)[:, :16].copy()
        uuids[:, 6] = uuids[:, 6] & 0x0F | 0x50
        uuids[:, 8] = uuids[:, 8] & 0x3F | 0x80
        digits = np.frombuffer(uuids.tobytes().hex().encode(), np.uint8).reshape(-1, 32)
        texts = np.full((len(self), 36), ord("-"), np.uint8)
        for dashes, (start, stop) in enumerate(_GROUPS):
            texts[:, start + dashes : stop + dashes] = digits[:, start:stop]
        return texts

    def __iter__(self) -> Iterator[Reminder]:
        """Yield each as a record, for who wants single ones."""
        lapsed_at = self.last_seen + self.remind_after
        for reminder_id, user, step, action, has_action, seen, lapsed, occurred in zip(
            self.ids(),
            cells.join([self.users]),
            self.steps.tolist(),
            cells.join([self.actions]),
            self.has_action.tolist(),
            self.last_seen.tolist(),
            lapsed_at.tolist(),
            self.occurred_at.tolist(),
            strict=True,
        ):
            yield Reminder(
                reminder_id=reminder_id.tobytes().decode(),
                kind=self.kind,
                user_id=user.decode(),
                process=self.process,
                step=step,
                action=action.decode() if has_action else None,
                last_seen=seen,
                lapsed_at=lapsed,
                occurred_at=occurred,
                detected_at=self.detected_at,
            )
