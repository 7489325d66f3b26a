"""Two PostgreSQL servers for tests: a primary, and a standby that it streams to without waiting for it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from ..app.service import eventually
from .postgresql import Server, programs_within_reach, run_program


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
        """Return once the standby has all that the primary has committed."""
        engine = create_engine(self.primary.url(), isolation_level="AUTOCOMMIT")
        replayed = text("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")
        with engine.connect() as connection:
            eventually(lambda: connection.scalar(replayed), meaning="the standby follows")
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
        primary.initialize()
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
