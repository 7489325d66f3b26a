"""What `lapse check` tries of the other ways to somebody."""

from consumer.commands.terminal.output import Line
from consumer.config.fallback import EmailFallbackSettings
from consumer.media.smtp import Smtp

_ADVICE = {
    "SMTPAuthenticationError": "are fallback.email.user and its password right?",
    "SMTPNotSupported": "it offers no STARTTLS or no login: are fallback.email.port and tls right?",
    "SMTPConnectTimeoutError": "nobody answers: are fallback.email.host and port right, and may this machine call it?",
}
_OTHERWISE = "are fallback.email.host, port and tls right, and is its certificate good?"


async def mail(settings: EmailFallbackSettings, password: str | None) -> Line:
    """Does the server let us in? Nothing is sent. (Of a webhook nothing can be asked that is no reminder.)"""
    status = await Smtp(settings, password).status()
    where = f"{settings.host}:{settings.port}"
    if status.connected:
        return Line(True, f"e-mail: {where} lets us in")
    return Line(False, f"e-mail: {where} ({status.status})", _ADVICE.get(status.status, _OTHERWISE))
