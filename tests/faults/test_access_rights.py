"""Kafka as companies run it: each role has a user and a password, and no more rights than SECURITY.md lists."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.app.service import Platform, Sandbox, Service, eventually, settings
from tests.broker.broker import free_ports
from tests.broker.guarded import GuardedBroker
from tests.broker.topics import create_topics

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
ROLES = ("detect", "deliver")
TOPICS = ("user-activity", "lapse-state", "reminders", "dead-letters", "contacts", "delivery-status", "opt-outs")
_TYPES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactional": ResourceType.TRANSACTIONAL_ID}


def rights(user: str) -> list[tuple[str, str, str, bool]]:
    """Return (operation, kind of resource, name, whether it is a prefix) of each right that SECURITY.md lists."""
    found = []
    for line in (ROOT / "SECURITY.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith(f"| {user} |"):
            kind = next(word for word in _TYPES if cells[2].startswith(word))
            names = re.findall(r"`([^`]+)`", cells[2])
            for operation, name in product(cells[1].split(", "), names):
                found.append((operation, kind, name.rstrip("…"), "prefix" in cells[2]))
    return found


class Guarded(GuardedBroker):
    """With the topics of Lapse, and rights that are granted and taken away."""

    def __init__(self) -> None:
        super().__init__()
        new = [NewTopic(name, 2, 1, config=_COMPACTED.get(name, {})) for name in TOPICS]
        create_topics(self.admin, new)
        somebody = Platform(self.broker.bootstrap, "user")
        somebody.write_into("opt-outs", b"ana", b"whose value cannot be read: an opt-out of ana all the same")
        somebody.flush()

    def grant(self, user: str, without: str = "") -> None:
        """Grant a user what SECURITY.md lists, but for what concerns the resource `without`."""
        bindings = [
            AclBinding(
                _TYPES[kind],
                name,
                ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[_OPERATIONS.get(operation, operation.upper())],
                AclPermissionType.ALLOW,
            )
            for operation, kind, name, prefix in rights(user)
            if name != without
        ]
        for created in self.admin.create_acls(list(dict.fromkeys(bindings))).values():
            created.result(30)

    def revoke_all(self) -> None:
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type] # None stands for any
            ResourcePatternType.ANY,
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        for deleted in self.admin.delete_acls([everything]).values():
            deleted.result(30)


_OPERATIONS = {"DescribeConfigs": "DESCRIBE_CONFIGS"}
_COMPACTED = {name: {"cleanup.policy": "compact"} for name in ("lapse-state", "contacts", "opt-outs")}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with closing(Guarded()) as made:
        yield made


@pytest.fixture
def roles(guarded: Guarded, channel: Sandbox, tmp_path: Path) -> Iterator[dict[str, Service]]:
    """Each role as a process of its own, not started yet."""
    guarded.revoke_all()
    made = {}
    for role in ROLES:
        folder = tmp_path / role
        folder.mkdir()
        [port] = free_ports(1)
        ours = settings(guarded.sasl, channel, folder, "lapse", port)
        ours["topics"] = {"create": False}
        ours["source"] = {**ours["source"], "topic": "user-activity"}
        made[role] = Service(folder, ours, channel.info["token"])
        made[role].environment["LAPSE_KAFKA__CLIENT"] = json.dumps(guarded.client(role))
    yield made
    for service in made.values():
        if service.process is not None and service.process.poll() is None:
            service.kill()


def test_the_listed_rights_are_enough(guarded: Guarded, channel: Sandbox, roles: dict[str, Service]) -> None:
    for role in roles:
        guarded.grant(role)
    platform = Platform(guarded.broker.bootstrap, "user")
    now = int(time.time() * 1000)
    blank = dict.fromkeys(("name", "phone", "locale", "timezone", "email", "opted_in_at"))
    contact = {
        **blank,
        "user_id": "maria",
        "name": "Maria",
        "phone": "+34 612 345 999",
        "opt_in": True,
        "updated_at": now,
    }
    platform.write_into("contacts", b"maria", platform.bytes_of("contact", contact))
    for role, service in roles.items():
        service.start("--role", role)
    platform.says("maria", "STARTED")
    platform.write_bytes("activity", b"nobody", b"these bytes mean nothing")
    platform.flush()
    eventually(lambda: [m for m in channel.messages() if m["params"][0] == "Maria"], meaning="the message")
    assert re.search(r"opt_outs_read +records=1", roles["deliver"].log)
    letters = guarded.admin.list_topics("dead-letters")
    assert letters.topics["dead-letters"].error is None


@pytest.mark.parametrize(
    ("role", "without"),
    [
        ("detect", "lapse-state"),
        ("detect", "lapse-detect"),
        ("detect", "lapse-detect-"),
        ("deliver", "delivery-status"),
        ("deliver", "lapse-deliver-"),
    ],
)
def test_without_one_of_them_the_error_names_it(
    guarded: Guarded, roles: dict[str, Service], role: str, without: str
) -> None:
    guarded.grant(role, without=without)
    service = roles[role]
    said = _run_for_a_while(service, role, without)
    assert without in said, said[-3000:]


def test_wrong_password_is_named_at_once(guarded: Guarded, roles: dict[str, Service]) -> None:
    guarded.grant("detect")
    service = roles["detect"]
    service.environment["LAPSE_KAFKA__CLIENT"] = json.dumps(guarded.client("detect", sasl_password="a-wrong-password"))
    assert "rejects the credentials" in _run_for_a_while(service, "detect")
    done = service.command("check")
    assert done.returncode == 1
    assert "rejects the credentials" in done.stdout + done.stderr
    assert "a-wrong-password" not in done.stdout + done.stderr + service.log


def _run_for_a_while(service: Service, role: str, lacks: str = "") -> str:
    """Run the role until it says what it lacks, by its name, or ends; return everything that it said."""
    service.launch("--role", role)

    def said() -> bool:
        assert service.process is not None
        text = service.log.lower()
        refused = ("authoriz" in text or "credentials" in text) and lacks in text  # Kafka's client speaks first
        return service.process.poll() is not None or refused

    eventually(said, meaning="what is missing")
    return service.log
