"""What one sandbox channel knows. It lives in memory only, and that memory is bounded.

The newest `keep` messages are kept: 100,000 unless told otherwise, at about 1.5 kB each. An older one is forgotten:
`GET /messages`, `hookInfo` and `/_sandbox/messages` no longer show it, while the counters still count it.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from secrets import token_hex
from typing import Any, TypeAlias

from consumer.sandbox.fates import Step
from consumer.sandbox.templates import Template

Now: TypeAlias = Callable[[], int]
"""Whatever tells the time: milliseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a message goes to: `given` as asked for, the rest as statuses and lists report it (contract fact 5)."""

    given: str
    phone: str | None
    chat_id: str
    bsuid: str

    @property
    def chat_as_given(self) -> str:
        return self.given if "@" in self.given else f"{self.given}@c.us"


@dataclass(frozen=True, slots=True)
class Order:
    """A `sendTemplate` request that passed validation; `text` is the body with its values in place."""

    recipient: Recipient
    template: Template
    params: tuple[str, ...]
    text: str


@dataclass(slots=True, kw_only=True)
class Message:
    """One message, out or in. `at` and `starts` are moments (milliseconds); steps count from `starts`."""

    number: int
    id: str
    recipient: Recipient
    text: str
    at: int
    from_me: bool = True
    kind: str = "chat"
    order: Order | None = None
    request: int = 0
    """The number of the `sendTemplate` request that made it."""
    starts: int = 0
    steps: tuple[Step, ...] = ()

    def reached(self, now: int) -> tuple[Step, ...]:
        """The statuses it has by `now`, oldest first."""
        return tuple(step for step in self.steps if self.starts + step.after <= now)

    def status(self, now: int) -> str:
        reached = self.reached(now)
        return reached[-1].status if reached else "accepted"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `GET /settings` shows. A new channel tells nobody anything (contract §7)."""

    webhooks: tuple[str, ...] = ()
    acks: bool = False
    raw: bool = False
    guaranteed: bool = False
    echo: bool = False
    analytics: bool = False
    tracking: bool = False


class Bucket:
    """Lets `rate` requests a second through, a second's worth at once. None lets everything through."""

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
    """The newest `keep` messages, found by id and by chat, in the order of their numbers."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._by_id: OrderedDict[str, Message] = OrderedDict()
        self._by_chat: dict[str, list[Message]] = {}  # lists: most chats have one or two
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
        """All that are kept, of one chat or of every one."""
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
class Tally:
    """Requests by recipient as given, for the newest recipients only."""

    keep: int
    counts: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def add(self, given: str) -> None:
        self.counts[given] = self.counts.get(given, 0) + 1
        if len(self.counts) > self.keep:
            self.counts.popitem(last=False)


class Channel:
    """One channel: its credentials, templates, settings and messages. Used by one event loop only."""

    def __init__(
        self,
        *,
        id: str,
        token: str,
        namespace: str,
        templates: Sequence[Template],
        settings: Settings,
        rate: float | None,
        keep: int,
        history: bool,
    ) -> None:
        self.id = id
        self.token = token.encode()
        self.namespace = namespace
        self.templates = {(template.name, template.language): template for template in templates}
        self.settings = settings
        self.bucket = Bucket(rate)
        self.messages = Messages(keep)
        self.history = history
        self.blocked = False
        self.status = "connected"
        self.requests = 0
        self.accepted = 0
        self.answers: Counter[str] = Counter()
        self.asked = Tally(keep)
        self._numbers = 0
        self._run = token_hex(4).upper()

    def accept(self, order: Order, *, request: int, at: int, starts: int, steps: tuple[Step, ...]) -> Message:
        """Keeps an outgoing message, under an id that no other run of the sandbox gives."""
        self.accepted += 1
        message = Message(
            number=self._next(),
            id=f"wamid.SBX{self._run}{self._numbers:010X}",
            recipient=order.recipient,
            text=order.text,
            at=at,
            order=order,
            request=request,
            starts=starts,
            steps=steps,
        )
        self.messages.add(message)
        return message

    def receive(self, sender: Recipient, text: str, *, kind: str, at: int) -> Message:
        """Keeps something that a person wrote."""
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

    def stranger(self, at: int) -> Message:
        """A message of some other sender of a shared inbox: it is kept nowhere."""
        recipient = Recipient("15550100199", "15550100199", "15550100199@c.us", "US.199")
        return Message(number=0, id=f"wamid.OTHER{token_hex(8).upper()}", recipient=recipient, text="", at=at)

    def change_template(self, name: str, language: str | None, changes: Mapping[str, str]) -> int:
        """Changes a template in this language, or in all; with the status "gone" it leaves the list. Answers how many
        there were."""
        found = [key for key in self.templates if key[0] == name and language in (None, key[1])]
        for key in found:
            changed = replace(self.templates[key], **changes)
            if changed.status == "gone":
                del self.templates[key]
            else:
                self.templates[key] = changed
        return len(found)

    def sent(self, now: int, *, limit: int | None = None) -> list[dict[str, Any]]:
        """What was accepted, oldest first, as `/_sandbox/messages` lists it; with `limit` only the newest ones."""
        newest = (message for message in self.messages.of(None, newest_first=True) if message.from_me)
        rows = [self._shown(message, now) for message in islice(newest, limit)]
        rows.reverse()
        return rows

    def _shown(self, message: Message, now: int) -> dict[str, Any]:
        order = message.order
        assert order is not None
        return {
            "phone": message.recipient.given,
            "template": order.template.name,
            "language": order.template.language,
            "params": list(order.params),
            "text": message.text,
            "id": message.id,
            "status": message.status(now),
            "time": message.at,
            "request": message.request,
            "requests": self.asked.counts.get(message.recipient.given, 0),
        }

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
