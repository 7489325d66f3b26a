"""What the sandbox took, asked over HTTP as anybody can."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from consumer.clock import Millis
from consumer.demo.people import masked
from consumer.demo.view import Message

_REQUEST_TIMEOUT_S = 5.0


class SandboxSilent(Exception):
    """The sandbox does not answer; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Taken:
    """`accepted` counts all messages ever taken; `rows` are those asked for, oldest first."""

    accepted: int
    rows: Sequence[Mapping[str, Any]]

    @property
    def messages(self) -> tuple[Message, ...]:
        """As their clients would read them."""
        return tuple(Message(phone=masked(row["phone"]), text=row["text"], status=row["status"]) for row in self.rows)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(row["id"] for row in self.rows)

    @property
    def first_at(self) -> Millis | None:
        """When the oldest of them was taken."""
        return self.rows[0]["time"] if self.rows else None


class Inbox:
    """Asks the sandbox at `base_url`. Close it when done."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=_REQUEST_TIMEOUT_S)

    def newest(self, count: int) -> Taken:
        """The newest messages. Raises SandboxSilent."""
        return self._ask({"limit": count})

    def all(self) -> Taken:
        """Every message that it remembers. Raises SandboxSilent."""
        return self._ask({})

    def close(self) -> None:
        self._client.close()

    def _ask(self, query: Mapping[str, int]) -> Taken:
        try:
            answer = self._client.get("/_sandbox/messages", params=query).raise_for_status().json()
        except httpx.HTTPError as error:
            raise SandboxSilent(f"the sandbox does not answer: {type(error).__name__}") from None
        return Taken(answer["accepted"], answer["messages"])
