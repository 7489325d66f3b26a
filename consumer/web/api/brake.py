"""`GET /api/brake` shows detect's brake, `POST /api/brake/release` releases it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from consumer.kafka.detect_loop.brake_control import BrakeControl, BrakeStatus
from consumer.ledger.queries.operating.journal import Actor
from consumer.web.api.operation import Nothing, Operation

_RELEASE_TIMEOUT_S = 10.0  # detect's loop acts on it in its next round
BUSY = "detect is busy or waits for the broker: see /readyz and try again"


@dataclass(frozen=True, slots=True)
class BrakeAnswer:
    """`engaged` and `released` are reasons, `held` is the number of lapses held back, `distrusted` are the partitions
    whose records cannot be read, `words` are sentences, none while nothing is held back."""

    engaged: str | None
    released: str | None
    held: int
    distrusted: Sequence[int]
    words: Sequence[str]


class BrakeApi:
    """Shows and releases the brake of this process's detect. `note` journals a release, where there is a journal."""

    def __init__(self, control: BrakeControl, note: Callable[[Actor, int], None] | None = None) -> None:
        self._control = control
        self._note = note

    async def status(self) -> BrakeAnswer:
        return _answer(self._control.status)

    async def release(self, by: Actor) -> BrakeAnswer:
        """Release it, and return the state before. Raises HTTPException 503 while detect does not act on it."""
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(self._control.release()), _RELEASE_TIMEOUT_S)
        except TimeoutError:
            raise HTTPException(503, BUSY) from None
        if self._note is not None:
            await asyncio.to_thread(self._note, by, found.held)
        return _answer(found)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/api/brake",
                "Whether detect's brake holds lapses back, and why",
                Nothing,
                BrakeAnswer,
                lambda asked, by: self.status(),
            ),
            Operation(
                "POST",
                "/api/brake/release",
                "Release what the brake holds back; answers with the state before",
                Nothing,
                BrakeAnswer,
                lambda asked, by: self.release(by),
                {503: "Detect does not act on it at present"},
            ),
        ]


def _answer(status: BrakeStatus) -> BrakeAnswer:
    return BrakeAnswer(status.engaged, status.released, status.held, status.distrusted, status.words)
