"""The 1MSG channel of the configuration, opened for a command."""

from consumer.config.loader import ConfigError, read_secret
from consumer.config.onemsg import OneMsgSettings
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.onemsg.client import OneMsgClient


def onemsg_section(settings: Settings) -> OneMsgSettings:
    """Raises ConfigError if the configuration has no channel."""
    if settings.onemsg is None:
        raise ConfigError(["onemsg: is missing: without a channel nothing can be sent; see lapse.example.yaml"])
    return settings.onemsg


def open_client(section: OneMsgSettings) -> OneMsgClient:
    """The client, to be closed by whoever asked. Raises ConfigError if the token is not there."""
    return OneMsgClient(
        base_url=section.base_url,
        channel_id=section.channel_id,
        token=read_secret(section.token, "onemsg.token").get_secret_value(),
        timeout=millis(section.timeout),
    )
