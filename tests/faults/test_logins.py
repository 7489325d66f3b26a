"""Every way in which a company's Kafka lets Lapse in, but PLAIN (test_access_rights.py has that one); and what is said,
at once, where it does not."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.errors import ConfigError
from consumer.config.sections.kafka import KafkaSettings
from tests.app.service import Platform, Sandbox, Service, eventually, settings
from tests.broker.broker import free_ports
from tests.broker.guarded import Client, GuardedBroker, token_issuer
from tests.broker.topics import fresh_name
from tests.faults.replicas import TIMEOUT_S

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedBroker]:
    with closing(GuardedBroker()) as made:
        yield made


@contextmanager
def login(guarded: GuardedBroker, way: str) -> Iterator[tuple[str, Client]]:
    """Yield the address for this way to log in, and what `kafka.client` has to say."""
    with ExitStack() as until:
        if way == "certificate":
            yield guarded.tls, guarded.certificate_client("lapse")
        elif way == "OAUTHBEARER":
            yield guarded.sasl, guarded.token_client(until.enter_context(token_issuer()))
        else:
            yield guarded.sasl, guarded.client("lapse", way)


@pytest.mark.parametrize(("way", "name"), [("SCRAM-SHA-512", "Ana"), ("OAUTHBEARER", "Olga"), ("certificate", "Carla")])
def test_service_that_is_let_in_reads_and_writes(
    guarded: GuardedBroker, channel: Sandbox, tmp_path: Path, way: str, name: str
) -> None:
    names = fresh_name("login")
    for created in guarded.admin.create_topics([NewTopic(f"{names}-activity", 2, 1)]).values():
        created.result(30)
    with login(guarded, way) as (address, client):
        [port] = free_ports(1)
        ours = settings(address, channel, tmp_path, names, port)
        del ours["processes"]["checkout"]
        service = Service(tmp_path, ours, channel.info["token"])
        service.environment["LAPSE_KAFKA__CLIENT"] = json.dumps(client)
        platform = Platform(guarded.broker.bootstrap, names)
        service.start()
        platform.knows("maria", name=name, phone="+34 612 345 999")
        platform.flush()
        platform.says("maria", "STARTED")
        platform.flush()
        eventually(lambda: [m for m in channel.messages() if m["params"][0] == name], TIMEOUT_S, meaning="the message")
        statuses = platform.reads("delivery_status", "delivery_status")
        eventually(lambda: [s for s in statuses.so_far() if s["status"] == "accepted"], TIMEOUT_S, meaning="its status")
        checked = service.command("check")
        assert "✗" not in checked.stdout, checked.stdout
        assert service.stop() == 0


def refusal(address: str, client: Client) -> str:
    """Return what every command and `lapse run` say before they end; all of them connect by the same function."""
    began = time.monotonic()
    with pytest.raises(CommandFailed) as refused:
        kafka_probe.connect(KafkaSettings(bootstrap_servers=address, client=client), 60)
    assert time.monotonic() - began < 30, "it waited, although nothing would have changed"
    for key in ("sasl.password", "sasl.oauthbearer.client.secret"):
        assert str(client.get(key, "no secret")) not in str(refused.value)
    assert str(refused.value).startswith(f"kafka.bootstrap_servers: {address}: ")
    return str(refused.value).removeprefix(f"kafka.bootstrap_servers: {address}: ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_named(guarded: GuardedBroker, mechanism: str) -> None:
    client = guarded.client("lapse", mechanism, sasl_password="a-wrong-password")
    assert refusal(guarded.sasl, client).startswith("the broker rejects the credentials: check the sasl settings")


def test_a_mechanism_that_is_not_offered_is_named_with_those_that_are(guarded: GuardedBroker) -> None:
    said = refusal(guarded.sasl, guarded.client("lapse", "SCRAM-SHA-256"))
    assert said.endswith("set sasl.mechanisms in kafka.client to one of PLAIN,SCRAM-SHA-512,OAUTHBEARER")


def test_a_certificate_of_another_authority_or_for_another_name_is_named(guarded: GuardedBroker) -> None:
    words = "the broker's certificate is not trusted: set ssl.ca.location"
    client = guarded.client("lapse", ssl_ca_location=str(guarded.stranger.file))
    assert refusal(guarded.sasl, client).startswith(words)
    client = guarded.client("lapse", broker_address_family="v4")
    assert refusal(guarded.sasl.replace("127.0.0.1", "localhost"), client).startswith(words)


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's"])
def test_a_client_certificate_that_is_not_accepted_is_named(guarded: GuardedBroker, whose: str) -> None:
    client = guarded.certificate_client("mallory", guarded.stranger)
    if whose == "nobody's":
        del client["ssl.certificate.location"], client["ssl.key.location"]
    assert refusal(guarded.tls, client).startswith(
        "the broker does not accept this client's certificate, or wants one: check ssl.certificate.location"
    )


def test_an_expired_token_is_named(guarded: GuardedBroker) -> None:
    with token_issuer(issued_ago_s=100, lifetime_s=50) as issuer:
        said = refusal(guarded.sasl, guarded.token_client(issuer))
    assert said.startswith("the OAuth token for the broker has expired when it is issued: compare this machine's clock")


def test_a_token_that_the_broker_does_not_believe_is_named(guarded: GuardedBroker) -> None:
    with token_issuer(issued_ago_s=-1_000) as issuer:
        said = refusal(guarded.sasl, guarded.token_client(issuer))
    assert said.startswith("the broker rejects the OAuth token: it has expired, or another issuer")


def test_an_issuer_that_gives_no_token_is_named(guarded: GuardedBroker) -> None:
    with token_issuer() as issuer:
        said = refusal(guarded.sasl, guarded.token_client(issuer, secret="a-wrong-client-secret"))
    assert said.startswith("there is no OAuth token for the broker: check sasl.oauthbearer.client.id")
    said = refusal(guarded.sasl, guarded.token_client("http://127.0.0.1:9/token"))
    assert said.startswith("whoever issues the OAuth tokens cannot be reached: check sasl.oauthbearer.token.endpoint")


def test_tokens_that_nobody_fetches_are_named_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.client: OAUTHBEARER needs sasl\.oauthbearer\.method: oidc"):
        kafka_probe.connect(KafkaSettings(client={"sasl.mechanisms": "OAUTHBEARER"}), 60)
