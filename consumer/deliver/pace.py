"""How fast requests may leave. One replica's own measure for now; a shared one has the same surface."""

from typing import Protocol

from consumer.clock import SECOND, Clock, Millis


class Pace(Protocol):
    """Hands out the right to send. Never waits: whoever gets none asks again."""

    def take(self, most: int) -> int:
        """How many requests, at most `most`, may leave now."""
        ...

    def give_back(self, unused: int) -> None:
        """Rights that were taken and not used."""
        ...

    def hold(self, span: Millis) -> None:
        """Nothing leaves for so long: the channel said that we are too fast."""
        ...


class TokenBucket:
    """`rate` requests a second (None for no limit), of which a quarter of a second's worth may leave at once."""

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._room = 0.0 if rate is None else max(1.0, rate / 4)
        self._tokens = self._room
        self._filled_at = clock.steady()
        self._held_until = clock.steady()

    def take(self, most: int) -> int:
        now = self._clock.steady()
        if now < self._held_until:
            return 0
        if self._rate is None:
            return most
        gained = (now - self._filled_at) * self._rate / SECOND
        self._tokens, self._filled_at = min(self._room, self._tokens + gained), now
        taken = min(most, int(self._tokens))
        self._tokens -= taken
        return taken

    def give_back(self, unused: int) -> None:
        if self._rate is not None:
            self._tokens = min(self._room, self._tokens + unused)

    def hold(self, span: Millis) -> None:
        self._held_until = max(self._held_until, self._clock.steady() + span)
