"""Connects a command to Kafka, or says why that is not possible."""

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.errors import ConfigError
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.clients.error_codes import in_words
from consumer.kafka.clients.login_errors import login_refusal

_KEY = "kafka.bootstrap_servers"
_OIDC_MISSING = (
    "OAUTHBEARER needs sasl.oauthbearer.method: oidc, with sasl.oauthbearer.token.endpoint.url,"
    " sasl.oauthbearer.client.id and, as the variable LAPSE_KAFKA__CLIENT__SASL_OAUTHBEARER_CLIENT_SECRET, the secret"
)
_REPORTED_AFTER_S = (2, 4, 8, 16)


def connect(
    kafka: KafkaSettings, timeout_s: int, report_wait: Callable[[int, str], None] = lambda waited_s, problem: None
) -> tuple[AdminClient, ClusterMetadata]:
    """Return an admin client whose broker has answered within `timeout_s`, and the cluster's metadata.

    `report_wait` is told now and then, at growing intervals, how long we wait and what is wrong.

    Raises:
        ConfigError: `kafka.client` contains something that librdkafka does not accept.
        CommandFailed: no broker answered, or at once, one does not let us in.
    """
    if _lacks_tokens(kafka):
        raise ConfigError([f"kafka.client: {_OIDC_MISSING}"])
    errors: list[KafkaError] = []
    # Without log_level 0 librdkafka writes the same errors to stderr, one line for each attempt to connect.
    settings = client_settings(kafka, {"log_level": 0, "error_cb": errors.append})
    try:
        admin = AdminClient(settings)
    except KafkaException as refused:
        raise ConfigError([f"kafka.client: {refused.args[0].str()}"]) from None
    for waited_s in range(1, timeout_s + 1):  # in steps of a second, so that a signal is handled soon
        try:
            return admin, admin.list_topics(timeout=1)
        except KafkaException:
            admin.poll(0)  # calls error_cb
        if why := next(filter(None, map(login_refusal, errors)), None):
            raise CommandFailed(f"{_KEY}: {kafka.bootstrap_servers}: {why}")
        if waited_s in _REPORTED_AFTER_S and waited_s < timeout_s:
            report_wait(waited_s, _explanation(kafka.bootstrap_servers, errors, waited_s))
    raise CommandFailed(_explanation(kafka.bootstrap_servers, errors, timeout_s))


def _lacks_tokens(kafka: KafkaSettings) -> bool:
    """Return whether the login needs OAuth tokens that nobody was told to fetch: librdkafka waits without a word."""
    mechanism = kafka.client.get("sasl.mechanisms", kafka.client.get("sasl.mechanism"))
    fetched = {"sasl.oauthbearer.method", "enable.sasl.oauthbearer.unsecure.jwt"} & kafka.client.keys()
    return mechanism == "OAUTHBEARER" and not fetched


def why_not_read(problem: Exception) -> str:
    """Return why a topic could not be read, in our words: the broker's error, or what the exception itself says."""
    return in_words(problem.args[0]) if isinstance(problem, KafkaException) else str(problem)


def _explanation(servers: str, errors: list[KafkaError], timeout_s: int) -> str:
    codes = {error.code() for error in errors}
    if KafkaError._RESOLVE in codes and KafkaError._TRANSPORT not in codes:
        return f"{_KEY}: the host name in {servers} cannot be resolved: is it spelt right?"
    return (
        f"{_KEY}: no answer from {servers} within {timeout_s} s: is the broker running, is the address right, and does"
        " kafka.client have the security.protocol that it requires?"
    )
