"""Is the broker there? And if it is not, why, in words."""

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.errors import ConfigError
from consumer.config.kafka import KafkaSettings

_KEY = "kafka.bootstrap_servers"


def connect(kafka: KafkaSettings, seconds: int) -> tuple[AdminClient, ClusterMetadata]:
    """A client of a broker that has answered within `seconds`, and what it answered.

    Raises:
        ConfigError: `kafka.client` holds something that librdkafka does not take.
        Failed: nobody answered.
    """
    heard: list[KafkaError] = []
    # (Without the level librdkafka would write the same to stderr, a line for every attempt to connect.)
    settings: dict[str, Any] = {**kafka.client, "log_level": 0, "error_cb": heard.append}
    try:
        admin = AdminClient({**settings, "bootstrap.servers": kafka.bootstrap_servers})
    except KafkaException as refused:
        raise ConfigError([f"kafka.client: {refused.args[0].str()}"]) from None
    for _ in range(seconds):  # by the second, so that a signal is not left waiting for longer
        try:
            return admin, admin.list_topics(timeout=1)
        except KafkaException:
            admin.poll(0)  # hands over what `heard` is to hear
    raise CommandFailed(_why(kafka.bootstrap_servers, heard, seconds))


def _why(servers: str, heard: list[KafkaError], seconds: int) -> str:
    codes = {error.code() for error in heard}
    if KafkaError._AUTHENTICATION in codes:
        return f"{_KEY}: {servers} refuses our credentials: look at the sasl settings in kafka.client"
    if KafkaError._SSL in codes:
        return f"{_KEY}: TLS with {servers} fails: look at security.protocol and the ssl settings in kafka.client"
    if KafkaError._RESOLVE in codes and KafkaError._TRANSPORT not in codes:
        return f"{_KEY}: the name in {servers} is not known here: is it spelt right?"
    return (
        f"{_KEY}: nobody answers at {servers} (tried for {seconds} s): is the broker up, is this its address,"
        " and does kafka.client say what it asks for (security.protocol)?"
    )
