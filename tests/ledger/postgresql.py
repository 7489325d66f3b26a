"""A PostgreSQL for tests: `LAPSE_TEST_POSTGRES` (a SQLAlchemy URL) if set, or Debian's in a temporary folder.

It refuses to run as root, so root hands it to `nobody`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

ADDRESS = "LAPSE_TEST_POSTGRES"


class NoPostgres(Exception):
    """There is none; the text says what to do."""


@contextmanager
def running(environ: Mapping[str, str] = os.environ, *, durable: bool = False) -> Iterator[str]:
    """The URL of a database that tests may empty; its commits are on the disk if `durable`. Raises NoPostgres."""
    if environ.get(ADDRESS):
        with _of_our_own(environ[ADDRESS], environ.get("PYTEST_XDIST_WORKER", "")) as url:
            yield url
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        raise NoPostgres(f"no PostgreSQL here: on Debian, apt-get install postgresql; or name one in {ADDRESS}")
    folder = Path(tempfile.mkdtemp(prefix="lapse-postgresql-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
        _do(programs[-1], "-D", f"{folder}/data", "-U", "lapse", "-A", "trust", "-E", "UTF8", "--no-sync")
        control, options = (
            programs[-1].with_name("pg_ctl"),
            f"-k {folder} -c listen_addresses='' -c fsync={'on' if durable else 'off'}",
        )
        _do(control, "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://lapse@/postgres?host={folder}"
        finally:
            _do(control, "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def _of_our_own(given: str, worker: str) -> Iterator[str]:
    """A database beside the given one for each of several test processes, which would empty each other's."""
    if not worker:
        yield given
        return
    name = f"lapse_tests_{worker}"
    engine = create_engine(given, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(given).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def _do(program: Path, *arguments: str) -> None:
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", "timeout": 60}
    subprocess.run([program, *arguments], check=True, **other, **quiet)  # type: ignore[call-overload]
