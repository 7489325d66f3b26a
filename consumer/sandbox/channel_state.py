"""What one sandbox channel knows: its settings, templates, messages and counters, in a bounded part of the memory.

Only the newest `keep` messages are kept (100,000 by default, about 1.5 kB each). `GET /messages`, `hookInfo` and
`/_sandbox/messages` no longer show older ones; the counters still include them.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from secrets import token_hex
from typing import Any, TypeAlias

from consumer.sandbox.faults.fates import Step
from consumer.sandbox.templates import MessageTemplate

Now: TypeAlias = Callable[[], int]
"""Returns the time in milliseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class ChatIdentity:
    """A person or group: `given` as in the request, the rest as statuses and lists report it.

    The two may differ (docs/1msg.md#seven-facts, 5).
    """

    given: str
    phone: str | None
    chat_id: str
    bsuid: str

    @property
    def chat_as_given(self) -> str:
        return self.given if "@" in self.given else f"{self.given}@c.us"


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A `sendTemplate` request that passed validation; `text` is the body with its values in place."""

    recipient: ChatIdentity
    template: MessageTemplate
    params: tuple[str, ...]
    text: str


@dataclass(slots=True, kw_only=True)
class Message:
    """A message, outgoing or incoming. `at` and `starts` are moments (milliseconds); steps are timed from `starts`."""

    number: int
    id: str
    recipient: ChatIdentity
    text: str
    at: int
    from_me: bool = True
    kind: str = "chat"
    send_request: SendRequest | None = None
    request_number: int = 0
    """The number of the `sendTemplate` request that created it."""
    starts: int = 0
    steps: tuple[Step, ...] = ()

    def reached(self, now: int) -> tuple[Step, ...]:
        """Return the statuses it has by `now`, oldest first."""
        return tuple(step for step in self.steps if self.starts + step.after <= now)

    def status(self, now: int) -> str:
        """Return its latest status at `now`."""
        reached = self.reached(now)
        return reached[-1].status if reached else "accepted"


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What `GET /settings` shows. A new channel calls no webhooks."""

    webhooks: tuple[str, ...] = ()
    acks: bool = False
    raw: bool = False
    guaranteed: bool = False
    echo: bool = False
    analytics: bool = False
    tracking: bool = False


class TokenBucket:
    """Let `rate` requests a second pass, and as many at once; None lets all pass."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._size = max(1.0, rate or 0.0)
        self._level = self._size
        self._at = 0

    def take(self, now: int) -> bool:
        if self._rate is None:
            return True
        self._level = min(self._size, self._level + max(0, now - self._at) * self._rate / 1000)
        self._at = max(self._at, now)
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Messages:
    """The newest `keep` messages by id and by chat, in the order of their numbers."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._by_id: OrderedDict[str, Message] = OrderedDict()
        self._by_chat: dict[str, list[Message]] = {}  # lists, because most chats have one or two messages
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, message: Message) -> None:
        self._by_id[message.id] = message
        self._by_chat.setdefault(message.recipient.chat_id, []).append(message)
        if len(self._by_id) > self._keep:
            self._forget_oldest()

    def get(self, message_id: str) -> Message | None:
        return self._by_id.get(message_id)

    def of(self, chat_id: str | None, *, newest_first: bool) -> Iterator[Message]:
        """Return the messages of one chat, or of all chats."""
        found: Any = self._by_id.values() if chat_id is None else self._by_chat.get(chat_id, ())
        return reversed(found) if newest_first else iter(found)

    def _forget_oldest(self) -> None:
        _, oldest = self._by_id.popitem(last=False)
        chat = self._by_chat[oldest.recipient.chat_id]
        chat.pop(0)
        if not chat:
            del self._by_chat[oldest.recipient.chat_id]
        self.forgotten += 1


@dataclass(slots=True)
class RequestCounts:
    """The number of requests for each recipient as given; only for the `keep` newest recipients."""

    keep: int
    counts: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def add(self, given: str) -> None:
        self.counts[given] = self.counts.get(given, 0) + 1
        if len(self.counts) > self.keep:
            self.counts.popitem(last=False)


class Channel:
    """One channel. Use it in one event loop only."""

    def __init__(
        self,
        *,
        id: str,
        token: str,
        namespace: str,
        templates: Sequence[MessageTemplate],
        settings: ChannelSettings,
        rate: float | None,
        keep: int,
        history: bool,
    ) -> None:
        self.id = id
        self.token = token.encode()
        self.namespace = namespace
        self.templates = {(template.name, template.language): template for template in templates}
        self.settings = settings
        self.bucket = TokenBucket(rate)
        self.messages = Messages(keep)
        self.history = history
        self.blocked = False
        self.status = "connected"
        self.requests = 0
        self.accepted = 0
        self.answers: Counter[str] = Counter()
        self.requests_by_recipient = RequestCounts(keep)
        self._numbers = 0
        self._run = token_hex(4).upper()

    def accept(
        self, send_request: SendRequest, *, request_number: int, at: int, starts: int, steps: tuple[Step, ...]
    ) -> Message:
        """Keep an outgoing message under a new id, which no other run of the sandbox uses."""
        self.accepted += 1
        message = Message(
            number=self._next(),
            id=f"wamid.SBX{self._run}{self._numbers:010X}",
            recipient=send_request.recipient,
            text=send_request.text,
            at=at,
            send_request=send_request,
            request_number=request_number,
            starts=starts,
            steps=steps,
        )
        self.messages.add(message)
        return message

    def receive(self, sender: ChatIdentity, text: str, *, kind: str, at: int) -> Message:
        """Keep a message that a person wrote."""
        message = Message(
            number=self._next(),
            id=f"wamid.SBI{self._run}{self._numbers:010X}",
            recipient=sender,
            text=text,
            at=at,
            from_me=False,
            kind=kind,
        )
        self.messages.add(message)
        return message

    def foreign_message(self, at: int) -> Message:
        """Return a message of another sender with the same inbox; it is not kept."""
        recipient = ChatIdentity("15550100199", "15550100199", "15550100199@c.us", "US.199")
        return Message(number=0, id=f"wamid.OTHER{token_hex(8).upper()}", recipient=recipient, text="", at=at)

    def change_template(self, name: str, language: str | None, changes: Mapping[str, str]) -> int:
        """Change a template in this language, or in all; the status "gone" removes it. Return how many were changed."""
        found = [key for key in self.templates if key[0] == name and language in (None, key[1])]
        for key in found:
            changed = replace(self.templates[key], **changes)
            if changed.status == "gone":
                del self.templates[key]
            else:
                self.templates[key] = changed
        return len(found)

    def sent(self, now: int, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the accepted messages (or the `limit` newest), oldest first, as `/_sandbox/messages` lists them."""
        newest = (message for message in self.messages.of(None, newest_first=True) if message.from_me)
        rows = [self._shown(message, now) for message in islice(newest, limit)]
        rows.reverse()
        return rows

    def _shown(self, message: Message, now: int) -> dict[str, Any]:
        send_request = message.send_request
        assert send_request is not None
        return {
            "phone": message.recipient.given,
            "template": send_request.template.name,
            "language": send_request.template.language,
            "params": list(send_request.params),
            "text": message.text,
            "id": message.id,
            "status": message.status(now),
            "time": message.at,
            "request": message.request_number,
            "requests": self.requests_by_recipient.counts.get(message.recipient.given, 0),
        }

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
