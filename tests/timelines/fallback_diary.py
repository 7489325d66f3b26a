"""The diary of a replica that has other ways to somebody: real writers, and outlets in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from consumer.clock import MINUTE, ManualClock
from consumer.config.fallback import EmailFallbackSettings, WebhookFallbackSettings
from consumer.deliver.sending.fallback_claims import FallbackClaims
from consumer.deliver.sending.fallback_planner import FallbackPlanner
from consumer.deliver.sending.results import ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.media.mail_message import Mail, MailWriter
from consumer.media.signed_webhook import WebhookRequest, WebhookRequestWriter
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.outcomes import Accepted, Outcome

from .deliver_diary import LEASE, Diary

M = TypeVar("M")
TEXT = "Hello {name}, you have not yet completed {action}: {link}"
LINK = "https://shop.example/{process}?user={user_id}"
MAIL = EmailFallbackSettings.model_validate(
    {
        "host": "mail.example",
        "from": "Shop <no-reply@shop.example>",
        "subject": "{name}, {action} waits for you",
        "text": TEXT,
        "link": LINK,
    }
)
HOOK = WebhookFallbackSettings.model_validate(
    {"url": "https://shop.example/hook", "secret": {"env": "S"}, "text": "{name}!"}
)


@dataclass
class Outbound(Generic[M]):
    """Takes what it is given, unless the story says what it answers to the next ones."""

    clock: ManualClock
    answers: list[Outcome | BaseException] = field(default_factory=list)
    sent: list[M] = field(default_factory=list)
    state: str = "connected"

    async def send_template(self, message: M) -> Outcome:
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else Accepted(message_id=f"out.{len(self.sent)}")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def status(self) -> ChannelStatus:
        return ChannelStatus(self.state)


class FallbackDiary(Diary):
    """`media` are those configured, in their order; `url` is of a ledger that others may share."""

    def __init__(
        self, folder: Path, *, media: Sequence[str] = ("email", "webhook"), url: str | None = None, **more: Any
    ) -> None:
        self.media = media
        self._shared_url = url
        super().__init__(folder, **more)

    def _open(self) -> None:
        self._url = self._shared_url or self._url
        super()._open()
        if not hasattr(self, "mail"):
            self.mail: Outbound[Mail] = Outbound(self.clock)
            self.hook: Outbound[WebhookRequest] = Outbound(self.clock)
        self.plans = FallbackPlanner(
            self.ledger, media=self.media, rules=self.rules, metrics=self.metrics, now=self.clock.now
        )
        self.others = [
            self._sender("email", self.mail, MailWriter(MAIL)),
            self._sender("webhook", self.hook, WebhookRequestWriter(HOOK)),
        ]

    def _sender(self, medium: str, outlet: Outbound[Any], write: Any) -> Sender[Any]:
        shared: dict[str, Any] = {"clock": self.clock, "metrics": self.metrics}
        claims: FallbackClaims[Any] = FallbackClaims(
            self.ledger, medium=medium, known=self.claims._known, write=write, worker="one", lease=LEASE, **shared
        )
        answers = ResultRecorder(
            self.ledger, rules=self.rules, max_attempts=3, now=self.clock.now, metrics=self.metrics, reports=False
        )
        return Sender(claims, answers, channel=outlet, **shared)

    async def _work(self) -> None:
        await super()._work()
        while self.plans.step() + sum([await sender.step() for sender in self.others]):
            await super()._work()

    def knows_by_mail(self, user: str = "maria", email: str = "maria@example.com", **more: Any) -> "FallbackDiary":
        """Somebody without a phone."""
        self.knows(user, phone=None, email=email, **more)
        return self

    def tells(self, *expected: str) -> "FallbackDiary":
        """As `says`, with the medium."""
        told = [" ".join(filter(None, (s.user_id, s.medium, s.status, s.reason))) for s in self.topic[self._heard :]]
        assert told == list(expected)
        self._heard = len(self.topic)
        return self

    def mailed(self, *addresses: str) -> "FallbackDiary":
        """Exactly these have been written an e-mail since the start, in order."""
        assert [mail.to for mail in self.mail.sent] == list(addresses)
        return self

    def called(self, times: int) -> "FallbackDiary":
        """So often the webhook has been called since the start."""
        assert len(self.hook.sent) == times
        return self


def soon(diary: FallbackDiary, minutes: int = 10) -> FallbackDiary:
    """Time enough for a second try."""
    diary.after(minutes * MINUTE).detect_is_at()
    return diary
