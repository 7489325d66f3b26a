"""The configured 1MSG channel, for commands that call it."""

from consumer.config.loader import ConfigError, read_secret
from consumer.config.placeholders import placeholder_problems
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.onemsg.client import OneMsgClient


def onemsg_section(settings: Settings) -> OneMsgSettings:
    """Return the section `onemsg`. Raises ConfigError if there is none, or it was not filled in."""
    if settings.onemsg is None:
        raise ConfigError(["onemsg: is missing: nothing can be sent without a channel; `lapse init` asks for one"])
    if problems := [each for each in placeholder_problems(settings) if each.startswith("onemsg.")]:
        raise ConfigError(problems)
    return settings.onemsg


def open_client(section: OneMsgSettings) -> OneMsgClient:
    """Return a client, which the caller closes. Raises ConfigError if the token is missing."""
    return OneMsgClient(
        base_url=section.base_url,
        channel_id=section.channel_id,
        token=read_secret(section.token, "onemsg.token").get_secret_value(),
        timeout_ms=millis(section.timeout),
    )
