"""How long the console's pages take over a ledger with many reminders, as a ratio to those over an empty one.

    python -m bench.console [--reminders 100000] [--postgresql]

Every page is asked for through the real server, first without anything to reuse, then once more; both ledgers are
measured in turn, so that a busy machine slows both down. Delivered messages have prices.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import text

from consumer.clock import DAY, HOUR, ManualClock, SystemClock
from consumer.config.sections.prices import PriceSettings
from consumer.ledger.schema.episode_tables import episodes
from consumer.ledger.schema.tables import reminders
from consumer.ledger.store import Ledger
from tests.ledger.databases import unused_sqlite
from tests.ledger.history import add_delivered, fill
from tests.ledger.postgresql import running
from tests.web.conftest import served
from tests.web.site import site

PAGES = ("/", "/funnel", "/people?reason=no_opt_in", "/person?id=user-7", "/needs", "/insight", "/journal")
ROUNDS = 9
REUSE_MS = 5_000
"""The longest time for which a page is reused."""
PRICES = PriceSettings.model_validate({"currency": "EUR", "delivered": {"default": {"marketing": 0.07}}})
SPAN = 30 * DAY


def load(ledger: Ledger, count: int) -> None:
    """Fill a ledger: most reminders were delivered, some were not sent, some wait, a few are in doubt."""
    now = SystemClock().now()
    first, apart = now - SPAN, max(1, SPAN // count)
    with ledger.transaction() as connection:
        add_delivered(connection, count * 8 // 10, first=first, apart=apart * 10 // 8)
        rest = count - count * 8 // 10
        at = f"({first} + n * {apart * 5})"
        plain = dict.fromkeys(("step", "partition", "polls", "sequence", "attempts", "counted_attempts"), "0")
        plain |= {"medium": "'whatsapp'", "process": "CASE WHEN n % 2 = 0 THEN 'checkout' ELSE 'account-setup' END"}
        plain |= dict.fromkeys(("last_seen", "lapsed_at", "occurred_at", "created_at", "updated_at"), at)
        waits = "n % 4 = 0"
        fill(
            connection,
            reminders,
            rest,
            plain
            | {"reminder_id": "'other-' || n", "user_id": "'other-' || n"}
            | {"status": f"CASE WHEN {waits} THEN 'deferred' WHEN n % 50 = 1 THEN 'unresolved' ELSE 'suppressed' END"}
            | {"reason": f"CASE WHEN {waits} THEN 'quiet_hours' WHEN n % 50 = 1 THEN 'gave_up' ELSE 'no_opt_in' END"}
            | {"due_at": f"CASE WHEN {waits} THEN {now + HOUR} END", "attempted_at": at},
        )
        for name, share, decision in (("user", count * 8 // 10, "'sent'"), ("other", rest, "'not_sent'")):
            began = f"({first} + n * {SPAN // max(1, share)})"
            silence = {"user_id": f"'{name}-' || n", "process": "'account-setup'", "began_at": began}
            decided = {"noticed_at": began, "step": "0", "decided_at": began, "decision": decision, "first": "true"}
            reason = {"reason": "'no_opt_in'" if name == "other" else "NULL"}
            ended = {"completed_at": f"CASE WHEN n % 5 = 0 THEN {began} + {DAY} END"}
            fill(connection, episodes, share, silence | decided | reason | ended)
    with ledger.transaction() as connection:
        connection.execute(text("ANALYZE"))


@dataclass(frozen=True)
class Console:
    """The console over one ledger, and the clock by which it reuses pages."""

    client: httpx.Client
    clock: ManualClock

    def measure(self, path: str) -> tuple[float, float]:
        """Return how long the page took when it was made anew, and when it was reused (the second request), in ms."""
        self.clock.advance(REUSE_MS + 1)
        taken = []
        for _ in range(2):
            started = time.perf_counter()
            self.client.get(path).raise_for_status()
            taken.append(1_000 * (time.perf_counter() - started))
        return taken[0], taken[1]


@contextmanager
def opened(count: int, postgresql: bool) -> Iterator[Console]:
    """Serve the console over a ledger with that many reminders."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-console-")))
        ledger = Ledger(stack.enter_context(running()) if postgresql else unused_sqlite(folder))
        stack.callback(ledger.close)
        if count:
            load(ledger, count)
        clock = ManualClock(SystemClock().now())
        address = stack.enter_context(served(site(ledger, clock, prices=PRICES)))
        yield Console(stack.enter_context(httpx.Client(base_url=address, timeout=60)), clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reminders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    given = parser.parse_args()
    with opened(0, given.postgresql) as empty, opened(given.reminders, given.postgresql) as full:
        for path in PAGES:  # templates are compiled once
            empty.measure(path), full.measure(path)
        print(f"{'page':<28}{'made anew':>12}{'empty':>10}{'ratio':>8}{'reused':>10}")
        for path in PAGES:
            pairs = [(full.measure(path), empty.measure(path)) for _ in range(given.rounds)]
            anew, again = (statistics.median(pair[0][place] for pair in pairs) for place in (0, 1))
            other = statistics.median(pair[1][0] for pair in pairs)
            print(f"{path:<28}{anew:>9.0f} ms{other:>7.0f} ms{anew / other:>8.1f}{again:>7.0f} ms", flush=True)


if __name__ == "__main__":
    main()
