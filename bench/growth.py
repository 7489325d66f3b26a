"""What a decision costs on a ledger with a long history, beside the same on an empty one.

    python -m bench.growth [--old 300000] [--reminders 2000]

Old reminders are delivered, each with its attempt and two published transitions. Costs are CPU time of this process,
in which SQLite works as well; for PostgreSQL look at the time in all.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection, insert, text

from bench.measured_replica import MeasuredReplica
from consumer import log
from consumer.clock import DAY, SystemClock
from consumer.config.sections.service import LogSettings
from consumer.deliver.sending.results import AttemptResult
from consumer.ledger.schema.tables import attempts, outbox, reminders
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.outcomes import Accepted
from consumer.records import WHATSAPP
from tests.ledger.postgresql import NoPostgres, running

_PAGE = 10_000
CHANNEL = {"template": "inactivity_reminder", "namespace": "none", "language": "en"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--old", type=int, default=300_000)
    arguments.add_argument("--reminders", type=int, default=2_000)
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        _compare("SQLite", f"sqlite:///{Path(folder) / 'lapse.db'}", asked.old, asked.reminders)
        try:
            _compare("PostgreSQL", stack.enter_context(running()), asked.old, asked.reminders)
        except NoPostgres as reason:
            print(f"PostgreSQL left out: {reason}")


def _compare(name: str, url: str, old: int, count: int) -> None:
    client = OneMsgClient(base_url="http://127.0.0.1:1", channel_id="none", token="none", timeout_ms=1)
    replica = MeasuredReplica(url, client, CHANNEL)
    ledger = replica.ledger
    try:
        _decide(replica, range(100))  # what runs once
        empty = _decide(replica, range(1_000, 1_000 + count))
        with ledger.transaction() as connection:
            for first in range(0, old, _PAGE):
                _age(connection, range(first, min(first + _PAGE, old)))
        with ledger.transaction() as connection:
            connection.execute(text("ANALYZE"))
        full = _decide(replica, range(200_000, 200_000 + count))
    finally:
        replica.close()
    for stage, (cpu, wall) in full.items():
        before = empty[stage]
        print(
            f"{name:10} {stage:8} {before[0] / count * 1e6:5.0f} µs of CPU, {before[1] / count * 1e6:5.0f} in all;"
            f" after {old:,} old reminders {cpu / count * 1e6:5.0f} and {wall / count * 1e6:5.0f}",
            flush=True,
        )


def _decide(replica: MeasuredReplica, people: range) -> dict[str, tuple[float, float]]:
    """Return the seconds of CPU and of wall time, by stage."""
    taken: dict[str, tuple[float, float]] = {}

    def stage(name: str, work: Callable[[], None]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        taken[name] = time.process_time() - cpu, time.perf_counter() - wall

    stage("intake", lambda: replica.fill(people))
    stage("send", lambda: claim_and_record(replica))
    stage("outbox", lambda: _publish(replica))
    return taken


def claim_and_record(replica: MeasuredReplica) -> None:
    """Claim everything that is due and record it as accepted, without a request."""
    while claim := replica.parts.claims.take(100):
        if not claim.attempts:
            return
        replica.record(
            [
                AttemptResult(a.key, a.number, a.started_at, Accepted(message_id=f"wamid.{a.key[0]}"))
                for a in claim.attempts
            ]
        )


def _publish(replica: MeasuredReplica) -> None:
    assert replica.publish()


def _age(connection: Connection, people: range) -> None:
    """Insert the history of these people, a second apart, ending a week ago."""
    then = SystemClock().now() - 7 * DAY - people.stop * 1_000
    rows, tried, transitions = [], [], []
    for number in people:
        at = then + number * 1_000
        key = {"reminder_id": f"old-{number}", "medium": WHATSAPP}
        who = {"user_id": f"user-{number}", "process": "account-setup", "step": 0}
        message = {"template": CHANNEL["template"], "language": "en", "message_id": f"wamid.old.{number}"}
        rows.append(
            key
            | who
            | message
            | {"last_seen": at - DAY, "lapsed_at": at, "occurred_at": at, "partition": 0, "status": "delivered"}
            | {
                "polls": 0,
                "sequence": 2,
                "attempts": 1,
                "counted_attempts": 0,
                "attempted_at": at,
                "phone": "12125550100",
            }
            | {"created_at": at, "updated_at": at}
        )
        end = {
            "started_at": at,
            "finished_at": at,
            "outcome": "accepted",
            "may_have_been_sent": True,
            "phone": "12125550100",
        }
        tried.append(key | who | end | {"number": 1, "message_id": message["message_id"]})
        for sequence, status in ((1, "accepted"), (2, "delivered")):
            record = {"sequence": sequence, "status": status, "final": sequence == 2, "source": "webhook"}
            transitions.append(key | who | message | record | {"occurred_at": at, "recorded_at": at, "published": True})
    connection.execute(insert(reminders), rows)
    connection.execute(insert(attempts), tried)
    connection.execute(insert(outbox), transitions)


if __name__ == "__main__":
    main()
