"""Two PostgreSQL servers for tests: a primary, and a standby that it streams to without waiting for it."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from ..broker.local import dismiss, guard
from .postgresql import NoPostgres, programs_within_reach, run_program

_DEADLINE_S = 60


@dataclass
class Server:
    """One server in its folder, in which its socket is, too."""

    programs: Path
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self) -> str:
        return f"postgresql+psycopg://lapse@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self._control("-o", options, "-l", str(self.folder / "log"), "start")
        self._watch = guard(int((self.data / "postmaster.pid").read_text().split()[0]), str(self.folder))

    def stop(self) -> None:
        dismiss(self._watch)
        self._control("-m", "immediate", "stop")

    def promote(self) -> None:
        self._control("promote")

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def _control(self, *arguments: str) -> None:
        run_program(self.programs / "pg_ctl", "-D", self.data, "-w", *arguments)


@dataclass
class Replicated:
    """A primary and its standby. `url` leads to whichever of them can be written to."""

    primary: Server
    standby: Server

    @property
    def url(self) -> str:
        hosts = f"{self.primary.folder},{self.standby.folder}"
        return f"postgresql+psycopg://lapse@/postgres?host={hosts}&target_session_attrs=read-write"

    def wait_until_equal(self) -> None:
        """Return once the standby has all that the primary has committed. Raises NoPostgres if it does not come."""
        engine = create_engine(self.primary.url(), isolation_level="AUTOCOMMIT")
        replayed = text("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")
        deadline = time.monotonic() + _DEADLINE_S
        with engine.connect() as connection:
            while not connection.scalar(replayed):
                if time.monotonic() > deadline:
                    raise NoPostgres("the standby does not follow")
                time.sleep(0.05)
        engine.dispose()

    def fail_over(self) -> None:
        """The primary dies, and the standby takes over with what it has."""
        self.primary.stop()
        if not self.standby.is_running():
            self.standby.start()
        self.standby.promote()


@contextmanager
def replicated() -> Iterator[Replicated]:
    """Both servers, running. Raises NoPostgres."""
    top = Path(tempfile.mkdtemp(prefix="lapse-standby-"))
    servers: list[Server] = []
    try:
        folders = [top / "one", top / "two"]
        for folder in folders:
            folder.mkdir()
        if os.getuid() == 0:
            for folder in (top, *folders):
                shutil.chown(folder, "nobody")
        programs = programs_within_reach(top)
        servers += [Server(programs, folder) for folder in folders]
        primary, standby = servers
        run_program(programs / "initdb", "-D", primary.data, "-U", "lapse", "-A", "trust", "-E", "UTF8", "--no-sync")
        primary.start()
        copy = ("-D", standby.data, "-h", primary.folder, "-U", "lapse", "-R", "-c", "fast", "--no-sync")
        run_program(programs / "pg_basebackup", *copy)
        standby.start()
        yield Replicated(primary, standby)
    finally:
        for server in servers:
            if server.is_running():
                server.stop()
        shutil.rmtree(top)
