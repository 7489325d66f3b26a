"""What a send costs on a fresh PostgreSQL ledger without statistics, and with those that Lapse has taken.

    python -m bench.fresh_ledger [--reminders 8000] [--rounds 2]

Autovacuum is off, since it would analyse the tables at some moment of its own (after a minute at best). In a running
service `Ledger.analyze_new_tables` is called every 20 seconds; here once, when the reminders have been taken in. The
two kinds take turns, each time on a database of its own. They claim and record without requests; the cost is processor
time of the server, which says more than seconds where others share the machine.
"""

import argparse
import os
import statistics
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from bench.growth import CHANNEL, claim_and_record
from bench.measured_replica import MeasuredReplica
from consumer import log
from consumer.config.sections.service import LogSettings
from consumer.onemsg.client import OneMsgClient
from tests.ledger.postgresql import running

_KINDS = {"no statistics": False, "analysed by Lapse": True}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--reminders", type=int, default=8_000)
    arguments.add_argument("--rounds", type=int, default=2)
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    costs: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    with ExitStack() as stack:
        server = stack.enter_context(running())
        for number in range(asked.rounds):
            for kind, is_analysed in _KINDS.items():
                url = _new_database(server, f"round_{number}_{is_analysed:d}")
                costs[kind].append(_cost(url, asked.reminders, analyse=is_analysed))
                print(f"{kind:18} {costs[kind][-1]:6.0f} µs of the server's CPU a send", flush=True)
    without, analysed = (statistics.median(each) for each in costs.values())
    ratio = without / analysed
    print(f"medians {without:.0f} and {analysed:.0f} µs: {ratio:.2f} times as much without statistics")


def _new_database(server: str, name: str) -> str:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET autovacuum = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _cost(url: str, count: int, *, analyse: bool) -> float:
    """Return the server's processor time for one send, in microseconds."""
    onemsg = OneMsgClient(base_url="http://127.0.0.1:1", channel_id="none", token="none", timeout_ms=1)
    replica = MeasuredReplica(url, onemsg, CHANNEL)
    try:
        replica.fill(range(count))
        if analyse:
            assert replica.ledger.analyze_new_tables()
        with replica.ledger.reading() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
        before = _server_cpu(backend)
        claim_and_record(replica)
        return (_server_cpu(backend) - before) / count * 1e6
    finally:
        replica.close()


def _server_cpu(backend: int) -> float:
    """Return the seconds that the server of this backend and all of its processes have worked."""
    postmaster = _stat(Path(f"/proc/{backend}/stat"))[3]
    of_server = [stat for path in Path("/proc").glob("[0-9]*/stat") if (stat := _stat(path))[3] == postmaster]
    ticks = sum(int(stat[13]) + int(stat[14]) for stat in of_server)
    ended = _stat(Path(f"/proc/{postmaster}/stat"))
    return (ticks + int(ended[15]) + int(ended[16])) / os.sysconf("SC_CLK_TCK")


def _stat(path: Path) -> list[str]:
    """Return the fields of a process; those of one that has just ended are empty."""
    try:
        name_and_rest = path.read_text().rpartition(")")
    except OSError:
        return ["0"] * 20
    return ["", "", *name_and_rest[2].split()]


if __name__ == "__main__":
    main()
