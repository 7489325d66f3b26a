"""Sends e-mails by SMTP, one connection each: there are few e-mails, and servers close idle connections.

If anything fails before the message's content is handed over, nothing was sent. After that only the server's answer
tells; without one that says yes or no the outcome is unknown, and the e-mail is not sent again.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TypeGuard

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from consumer.clock import MINUTE, Millis
from consumer.config.sections.fallback import EmailFallbackSettings
from consumer.config.types import millis
from consumer.media.mail_message import Mail
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.masking import mask_text
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown

_GREYLIST_DELAY_MS: Millis = 5 * MINUTE
"""A greylisting server accepts a message after this delay (RFC 6647: a minute to a day; most use five minutes)."""

_REFUSALS = range(400, 600)
"""Reply codes that say no (RFC 5321, 4.2.1). aiosmtplib raises errors for others too, and for no reply (-1)."""

_ENHANCED = re.compile(r"[#(\[]?([45])\.(\d{1,3})\.(\d{1,3})(?![^\s)\]:;,])")
"""RFC 2034: the first thing in the text. Some servers write a mark before it."""
_QUOTED_SERVER = re.compile(
    r"\b(?:said|responded|reported|response):|\bresponse (?:from|to)\b|\bremote (?:mail )?(?:server|host)\b",
    re.IGNORECASE,
)
"""What Postfix and Exim write before the words of another server, which asked them whether the address exists."""
_QUOTED_NAMES = re.compile(r"<[^<>]*>|\S*(?:@|://)\S*|[\w-]+(?:\.[\w-]+)+")
"""Addresses, links and hosts."""
_MOST_READ = 1_000
"""Characters of a reply that are looked at."""
_QUIT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    remedy: Remedy


_QUOTA = re.compile(
    r"quota|sending limit|limit (exceeded|reached)|rate limit|too many (messages|e-?mails)", re.IGNORECASE
)
_THEIR_MAILBOX = re.compile(r"mailbox|inbox|user (is )?over|recipient", re.IGNORECASE)
_SENDER = re.compile(
    r"relay|not verified|not been verified|sandbox|send ?as|not allowed to send|not permitted to send|authenticat"
    r"|sender (address )?(rejected|denied|verify)|account .*(suspended|disabled|blocked)|\b(spf|dkim|dmarc)\b",
    re.IGNORECASE,
)
"""Words in refusals that are about the sender, whatever their code: of Exchange, Gmail, SES, Postfix."""

_SENDER_CODES = {("1", "7"), ("1", "8"), ("7", "57"), ("7", "60")}
"""RFC 3463: the sender is malformed or does not exist. Exchange: this login may not send as the sender."""
_QUOTA_CODES = {("4", "5")}
"""RFC 3463 calls it congestion; Gmail uses it when the account's daily quota is used up."""
_POLICY, _ADDRESS, _MAILBOX = "7", "1", "2"


def classify_refusal(code: int, text: str, stage: str, to: str = "") -> _Refusal:
    """Return what a refusal means, by its code (RFC 5321), the enhanced code in its text (RFC 3463) and its words.

    `stage` is what was refused: `sender`, `recipient`, or `data` for the message. `to` is the address it was for.
    Only a refusal of this mailbox makes the person unreachable; one that is about the sender stops the channel.
    Servers quote addresses, and other servers: whoever chooses these must not decide about the channel.
    """
    enhanced, text = _without_quotes(text, to)
    subject = (enhanced[2], enhanced[3]) if enhanced else ("", "")
    if code in (530, 534, 535, 538) or subject == (_POLICY, "8"):
        return _Refusal("credential", Remedy.CHANNEL)
    if code < 500:
        return _Refusal("try_later", Remedy.TRANSIENT)
    about_them = subject[0] == _MAILBOX or _THEIR_MAILBOX.search(text)
    if subject in _QUOTA_CODES or (not about_them and _QUOTA.search(text)):
        return _Refusal("quota_exceeded", Remedy.CHANNEL)
    if stage == "sender" or (code in (500, 501, 502, 503, 504) and stage != "recipient"):
        return _Refusal("sender_refused", Remedy.CHANNEL)
    if subject in _SENDER_CODES or (subject[0] not in (_ADDRESS, _MAILBOX) and _SENDER.search(text)):
        return _Refusal("sender_refused", Remedy.CHANNEL)
    if subject[0] == _POLICY:  # blocklists, content
        return _Refusal("refused_by_policy", Remedy.MESSAGE)
    if stage == "recipient" or subject[0] in (_ADDRESS, _MAILBOX):
        return _Refusal("unreachable", Remedy.RECIPIENT)
    return _Refusal("refused", Remedy.MESSAGE)


def _without_quotes(text: str, to: str) -> tuple[re.Match[str] | None, str]:
    """Return the enhanced code at the beginning, if any, and the server's own words behind it."""
    text = text[:_MOST_READ]
    for part in filter(None, (to, *to.rpartition("@")[::2])):
        text = re.sub(rf"(?<![\w.-]){re.escape(part)}(?![\w-]|\.\w)", "…", text, flags=re.IGNORECASE)
    enhanced = _ENHANCED.match(text)
    words = text[enhanced.end() :] if enhanced else text
    return enhanced, _QUOTED_NAMES.sub("…", _QUOTED_SERVER.split(words, maxsplit=1)[0])


class SmtpClient:
    """Client of one mail server. `context` replaces the trusted certificates."""

    def __init__(
        self, settings: EmailFallbackSettings, password: str | None, context: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._password = password
        self._context = context
        self._timeout_s = millis(settings.timeout) / 1000

    async def send_template(self, message: Mail) -> Outcome:
        """Try once. Every answer and every failure is an Outcome."""
        client, handed_over = self._client(), False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._open(client)
                await client.mail(message.sender)
                await client.rcpt(message.to)
                handed_over = True
                await client.data(message.content)
        except (SMTPException, OSError, ssl.SSLError) as error:
            return _outcome(error, handed_over, message.to)
        else:
            return Accepted(message_id=message.message_id)
        finally:
            await _quit(client)

    async def status(self) -> ChannelStatus:
        """Return whether the server accepts the login; used before a stopped channel is tried again."""
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._open(client)
        except (SMTPException, OSError) as error:
            return ChannelStatus(type(error).__name__)
        else:
            return ChannelStatus("connected")
        finally:
            await _quit(client)

    def _client(self) -> SMTP:
        s = self._settings
        return SMTP(
            hostname=s.host,
            port=s.port,
            timeout=self._timeout_s,
            use_tls=s.tls == "implicit",
            start_tls=s.tls == "starttls",
            tls_context=self._context,
        )

    async def _open(self, client: SMTP) -> None:
        await client.connect()
        if self._settings.user is not None and self._password is not None:
            await client.login(self._settings.user, self._password)


def _outcome(error: Exception, handed_over: bool, to: str) -> Outcome:
    words = f"{type(error).__name__}: {mask_text(str(error), [to])}"
    if _is_refusal(error):
        stage = {aiosmtplib.SMTPSenderRefused: "sender", aiosmtplib.SMTPRecipientRefused: "recipient"}
        refusal = classify_refusal(error.code, str(error.message), stage.get(type(error), "data"), to)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500:
            refusal = _Refusal("credential", Remedy.CHANNEL)
        later = _GREYLIST_DELAY_MS if refusal.remedy is Remedy.TRANSIENT else None
        return Rejected(
            reason=refusal.reason, remedy=refusal.remedy, error_code=error.code, error=words, retry_after=later
        )
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Rejected(reason="not_supported", remedy=Remedy.CHANNEL, error=words)
    if handed_over:
        return Unknown(reason=_no_answer(error), error=words)
    return NotTransmitted(reason=_failed_step(error), error=words)


def _is_refusal(error: Exception) -> TypeGuard[SMTPResponseException]:
    """Return whether the server said no to this e-mail; a refused connection says nothing about it."""
    if not isinstance(error, SMTPResponseException) or isinstance(error, aiosmtplib.SMTPConnectError):
        return False
    return error.code in _REFUSALS


def _no_answer(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return "unreadable_answer"
    return "timeout" if isinstance(error, TimeoutError) else "reset"


def _failed_step(error: BaseException) -> str:
    """Return which step failed before anything was sent: name_resolution, tls, connect_timeout or connect."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "name_resolution"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls"
    return "connect_timeout" if any(isinstance(cause, TimeoutError) for cause in causes) else "connect"


async def _quit(client: SMTP) -> None:
    """Close the connection politely; errors here do not change the outcome."""
    with contextlib.suppress(SMTPException, OSError):
        async with asyncio.timeout(_QUIT_TIMEOUT_S):
            await client.quit()
    client.close()
