"""What a step of retention costs on a ledger with a long history, beside one claim of 100 reminders in the same run.

    python -m bench.retention [--reminders 1000000] [--steps 20]

Every reminder was delivered, with an attempt and two published transitions. Steps are measured while a tenth of them
may go, and while none may. A step holds the write lock of SQLite for as long as it takes, and webhooks wait for it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.measured_replica import MeasuredReplica
from consumer import log
from consumer.clock import DAY, SystemClock
from consumer.config.sections.service import LogSettings
from consumer.deliver.operations.retention import Retention
from consumer.onemsg.client import OneMsgClient
from tests.ledger.history import add_delivered
from tests.ledger.postgresql import NoPostgres, running

_KEEP = 90 * DAY
_TEMPLATE = {"template": "inactivity_reminder", "namespace": "none", "language": "en"}
_CLAIMED = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reminders", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    log.configure(LogSettings(level="warning"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _measure("SQLite", f"sqlite:///{folder}/lapse.db", arguments.reminders, arguments.steps)
        try:
            postgresql = stack.enter_context(running(durable=True))
        except NoPostgres as reason:
            print(f"PostgreSQL left out: {reason}")
        else:
            _measure("PostgreSQL", postgresql, arguments.reminders, arguments.steps)


def _measure(name: str, url: str, reminders: int, steps: int) -> None:
    client = OneMsgClient(base_url="http://127.0.0.1:1", channel_id="-", token="-", timeout_ms=1)
    replica, now = MeasuredReplica(url, client, _TEMPLATE), SystemClock().now
    ledger = replica.ledger
    try:
        with ledger.transaction() as connection:
            span = _KEEP * 10 // 9  # the oldest tenth is older than _KEEP
            add_delivered(connection, reminders, first=now() - span, apart=span // reminders)
        replica.fill(range(_CLAIMED * (steps + 1)))
        retention, idle = (Retention(ledger, keep_ms=keep, now=now) for keep in (_KEEP, _KEEP * 2))
        _expect(retention.step() > 0)
        _claim(replica)  # what runs once
        claim = _median(lambda: _claim(replica), steps)
        step = _median(lambda: _expect(retention.step() >= 100), steps)
        nothing = _median(lambda: _expect(idle.step() == 0), steps)
    finally:
        replica.close()
    print(f"{name}, {reminders:,} reminders: a claim of {_CLAIMED} takes {claim * 1e3:.1f} ms;", end=" ")
    print(f"a step that removes 200 takes {step * 1e3:.1f} ms ({step / claim:.2f} of a claim),", end=" ")
    print(f"one that finds nothing {nothing * 1e3:.1f} ms ({nothing / claim:.2f})", flush=True)


def _claim(replica: MeasuredReplica) -> None:
    _expect(len(replica.parts.claims.take(_CLAIMED).attempts) == _CLAIMED)


def _expect(condition: bool) -> None:
    if not condition:
        raise RuntimeError("this step did not do what is measured here")


def _median(work: Callable[[], None], times: int) -> float:
    """Seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


if __name__ == "__main__":
    main()
