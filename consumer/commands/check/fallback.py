"""What `lapse check` tries of the other ways to somebody."""

from consumer.commands.terminal.output import CheckResult
from consumer.config.fallback import EmailFallbackSettings
from consumer.media.smtp import SmtpClient

_ADVICE = {
    "SMTPAuthenticationError": "are fallback.email.user and its password right?",
    "SMTPNotSupported": "it offers no STARTTLS or no login: are fallback.email.port and tls right?",
    "SMTPConnectTimeoutError": "nobody answers: are fallback.email.host and port right, and may this machine call it?",
}
_OTHERWISE = "are fallback.email.host, port and tls right, and is its certificate good?"


async def check_mail(settings: EmailFallbackSettings, password: str | None) -> CheckResult:
    """Does the server let us in? Nothing is sent. (Of a webhook nothing can be asked that is no reminder.)"""
    status = await SmtpClient(settings, password).status()
    where = f"{settings.host}:{settings.port}"
    if status.connected:
        return CheckResult(True, f"e-mail: {where} lets us in")
    return CheckResult(False, f"e-mail: {where} ({status.status})", _ADVICE.get(status.status, _OTHERWISE))
