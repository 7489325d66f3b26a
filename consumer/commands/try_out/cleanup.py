"""Removes what a trial made on the broker: its topics, and its consumer groups once their members have timed out."""

import time
from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.commands.try_out.trial_settings import Trial
from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.clients.error_codes import GROUP_ABSENT, TOPIC_ABSENT
from consumer.wiring import detect

_REQUEST_TIMEOUT_S = 15.0
_TRIES, _PAUSE_S = 12, 1.0


def remove(admin: AdminClient, trial: Trial) -> list[str]:
    """Remove everything; return the names of what could not be removed."""
    groups = [detect.group_name(trial.settings), *(group_name(trial.name, what) for what in ("reminders", "contacts"))]
    left = _failed(admin.delete_topics(trial.topics, request_timeout=_REQUEST_TIMEOUT_S).items())
    for number in range(_TRIES):
        remaining = _failed(admin.delete_consumer_groups(groups, request_timeout=_REQUEST_TIMEOUT_S).items())
        if not remaining:
            return left
        if number < _TRIES - 1:
            time.sleep(_PAUSE_S)
    return [*left, *remaining]


def _failed(futures: Iterable[tuple[str, object]]) -> list[str]:
    """Return the names whose request failed for another reason than that there is nothing."""
    failed = []
    for name, future in futures:
        try:
            future.result(_REQUEST_TIMEOUT_S)  # type: ignore[attr-defined]
        except KafkaException as problem:
            failed += [name] if problem.args[0].code() not in TOPIC_ABSENT | GROUP_ABSENT else []
    return failed
