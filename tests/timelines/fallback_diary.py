"""The diary of a replica with e-mail and webhook as fallbacks: their real writers, and clients in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consumer.clock import MINUTE, ManualClock
from consumer.media.mail_message import Mail
from consumer.media.signed_webhook import WebhookRequest
from consumer.testing import FakeMedium, email_fallback, webhook_fallback

from .deliver_diary import Diary
from .detect_diary import moment


class FallbackDiary(Diary):
    """`media` are those configured, in their order; `url` is of a ledger that others may share."""

    def __init__(
        self, folder: Path, *, media: Sequence[str] = ("email", "webhook"), url: str | None = None, **more: Any
    ) -> None:
        self.media = media
        clock = ManualClock(moment("Mon 09:00"))
        self.mail: FakeMedium[Mail] = FakeMedium(clock)
        self.hook: FakeMedium[WebhookRequest] = FakeMedium(clock)
        fallbacks = {"email": email_fallback(self.mail), "webhook": webhook_fallback(self.hook)}
        super().__init__(folder, url=url, clock=clock, fallbacks=[fallbacks[m] for m in media], **more)

    async def _work(self) -> None:
        await super()._work()
        while self.parts.fallback_planner.step() + await self._fallbacks_step():
            await super()._work()

    async def _fallbacks_step(self) -> int:
        return sum([await sender.step() for sender in self.parts.fallback_senders.values()])

    def knows_by_mail(self, user: str = "maria", email: str = "maria@example.com", **more: Any) -> "FallbackDiary":
        """A contact without a phone."""
        self.knows(user, phone=None, email=email, **more)
        return self

    def tells(self, *expected: str) -> "FallbackDiary":
        """As `says`, with the medium."""
        published = [" ".join(filter(None, (s.user_id, s.medium, s.status, s.reason))) for s in self.unchecked()]
        assert published == list(expected), published
        return self

    def mailed(self, *addresses: str) -> "FallbackDiary":
        """Exactly these were sent an e-mail since the start, in order."""
        assert [mail.to for mail in self.mail.sent] == list(addresses)
        return self

    def called(self, times: int) -> "FallbackDiary":
        """The webhook was called so often since the start."""
        assert len(self.hook.sent) == times
        return self


def soon(diary: FallbackDiary, minutes: int = 10) -> FallbackDiary:
    """Let enough time pass for a second try."""
    diary.after(minutes * MINUTE).detect_is_at()
    return diary
