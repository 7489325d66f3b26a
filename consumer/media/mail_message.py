"""One e-mail: made from a letter, so that nothing in it can become a header of its own. Pure."""

from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from consumer.clock import SECOND, Millis
from consumer.config.fallback import EmailFallbackSettings
from consumer.email_address import normalize_email
from consumer.media.text_template import FallbackText, filled, linked


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Ready to be sent: the envelope, and the message as bytes of RFC 5322."""

    sender: str
    to: str = field(repr=False)
    message_id: str
    content: bytes = field(repr=False)


class MailWriter:
    """Writes the e-mails of one configuration. Plain text: nothing in it is executed, fetched or tracked."""

    def __init__(self, settings: EmailFallbackSettings) -> None:
        self._settings = settings
        self._from = _address(settings.sender)
        self._reply_to = settings.reply_to and _address(settings.reply_to)

    def __call__(self, letter: FallbackText, now: Millis) -> Mail:
        """The e-mail. Every attempt for a reminder has the same Message-ID, so that no mailbox shows two."""
        assert letter.email is not None  # the checks have seen to it
        message_id = f"<{letter.reminder_id}@{self._from.domain}>"
        settings, message = self._settings, EmailMessage(policy=SMTP)
        message["From"] = self._from
        message["To"] = Address(addr_spec=letter.email)
        if self._reply_to:
            message["Reply-To"] = self._reply_to
        message["Subject"] = " ".join(filled(settings.subject, letter).split())
        message["Date"] = formatdate(now / SECOND)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        if settings.unsubscribe:
            message["List-Unsubscribe"] = ", ".join(f"<{way}>" for way in settings.unsubscribe)
        text = filled(settings.text, letter, linked(settings.link, letter))
        message.set_content(text, cte="quoted-printable")  # servers without 8BITMIME take it too
        return Mail(sender=self._from.addr_spec, to=letter.email, message_id=message_id, content=message.as_bytes())


def _address(mailbox: str) -> Address:
    name, spec = parseaddr(mailbox)
    return Address(display_name=name, addr_spec=normalize_email(spec) or spec)
