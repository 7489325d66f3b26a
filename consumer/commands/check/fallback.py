"""The check of the fallback by e-mail. (A webhook cannot be checked without sending it a reminder.)"""

from consumer.commands.terminal.output import CheckResult
from consumer.config.sections.fallback import EmailFallbackSettings
from consumer.media.smtp import SmtpClient

_ADVICE = {
    "SMTPAuthenticationError": "are fallback.email.user and its password right?",
    "SMTPNotSupported": "it offers no STARTTLS, or no login: are fallback.email.port and tls right?",
    "SMTPConnectTimeoutError": "no answer: are fallback.email.host and port right, and does the network allow it?",
}
_OTHER_ADVICE = "are fallback.email.host, port and tls right, and is its certificate valid?"


async def check_mail(settings: EmailFallbackSettings, password: str | None) -> CheckResult:
    """Check that the mail server accepts the login. Nothing is sent."""
    status = await SmtpClient(settings, password).status()
    address = f"{settings.host}:{settings.port}"
    if status.connected:
        return CheckResult(True, f"e-mail: {address} accepts the login")
    return CheckResult(False, f"e-mail: {address} ({status.status})", _ADVICE.get(status.status, _OTHER_ADVICE))
