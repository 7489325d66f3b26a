"""Builds one e-mail, so that personal data is never parsed and can never become a header of its own. Pure.

The standard library's modern policy parses what is assigned to a header: a name such as `=?utf-7?q?…?=` would be
decoded, and can raise. So headers are encoded here with `Header` and the old policy, which parses nothing.
"""

from dataclasses import dataclass, field
from email.charset import QP, Charset
from email.header import Header
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import formataddr, formatdate, parseaddr

from consumer.clock import SECOND, Millis
from consumer.config.sections.fallback import EmailFallbackSettings
from consumer.email_address import normalize_email
from consumer.media.text_template import FallbackText, fill_link, fill_text

_UTF8_QUOTED_PRINTABLE = Charset("utf-8")
_UTF8_QUOTED_PRINTABLE.body_encoding = QP  # works for servers without 8BITMIME too
_ENCODED_WORD = "=?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An e-mail ready to be sent: the envelope, and the message as bytes of RFC 5322."""

    sender: str
    to: str = field(repr=False)
    message_id: str
    content: bytes = field(repr=False)


class MailWriter:
    """Builds e-mails by the settings of one server. Plain text: nothing in it is executed, fetched or tracked."""

    def __init__(self, settings: EmailFallbackSettings) -> None:
        self._settings = settings
        self._from_name, self._from_address = _mailbox(settings.sender)
        self._reply_to = settings.reply_to and formataddr(_mailbox(settings.reply_to))

    def __call__(self, letter: FallbackText, now: Millis) -> Mail:
        """Return the e-mail. Every attempt for a reminder has the same Message-ID, so that no mailbox shows two.

        Raises UnicodeError if a text cannot be encoded (a lone surrogate).
        """
        assert letter.email is not None  # the checks ensure it
        settings = self._settings
        message_id = f"<{letter.reminder_id}@{self._from_address.rpartition('@')[2]}>"
        message = MIMENonMultipart("text", "plain", charset="utf-8", policy=compat32)
        message["From"] = formataddr((self._from_name, self._from_address))
        message["To"] = letter.email
        if self._reply_to:
            message["Reply-To"] = self._reply_to
        message["Subject"] = _unstructured(fill_text(settings.subject, letter))
        message["Date"] = formatdate(now / SECOND)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        if settings.unsubscribe:
            message["List-Unsubscribe"] = ", ".join(f"<{way}>" for way in settings.unsubscribe)
        text = fill_text(settings.text, letter, fill_link(settings.link, letter))
        message.set_payload(text, _UTF8_QUOTED_PRINTABLE)
        content = message.as_bytes(policy=compat32.clone(linesep="\r\n"))
        return Mail(sender=self._from_address, to=letter.email, message_id=message_id, content=content)


def _unstructured(text: str) -> str:
    """Return one line of text as a header's value. Text that looks like an encoded word is encoded itself."""
    line = " ".join(text.split())
    plain = line.isascii() and line.isprintable() and _ENCODED_WORD not in line
    return line if plain else Header(line, "utf-8", header_name="Subject").encode()


def _mailbox(configured: str) -> tuple[str, str]:
    name, address = parseaddr(configured)
    return name, normalize_email(address) or address
