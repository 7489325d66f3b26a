"""Opens the ledger, keeps other processes out where it must, and hands out transactions.

SQLite: one process (an advisory lock that the system takes back even after SIGKILL), one writer at a time, every
commit on the disk before it returns. PostgreSQL: whatever its own locks allow, every commit on the disk as well.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from consumer.ledger.errors import LedgerRefused, NoLedger
from consumer.ledger.priority_lock import PriorityLock
from consumer.ledger.schema import migrations

_READS_ONLY = "lapse_reads_only"
"""Execution option of connections that only read: they wait for nobody."""

_CLIENT_TIMEOUTS = {
    "connect_timeout": 10,  # seconds, like those of the keepalives
    "tcp_user_timeout": 20_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""After these PostgreSQL's client gives up a server that does not answer. The URL may set others, such as
`?connect_timeout=3`."""

_SESSION_SETTINGS = {
    "statement_timeout": "5min",  # to wake a million reminders takes its time
    "lock_timeout": "30s",  # longer than others may hold theirs, by the next setting
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""After these PostgreSQL ends what takes too long, and takes back the locks of a replica that was paused, or is gone
without a word, in the middle of something. What that was about to write did not happen then."""

_DURABLE_COMMITS = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'"
)
"""Every commit is on the disk before it returns, whatever the server's own setting is; a stronger one stays."""

_SCRUB_TIMEOUT_MS = 200
"""So long everybody else waits for it at most."""

_TIMELINE = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END"

_NEW_TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    " AND pg_relation_size(oid) > 1024 * 1024"
    " AND NOT EXISTS (SELECT FROM pg_stats WHERE schemaname = current_schema() AND tablename = relname)"
)
"""Tables of more than a mebibyte of which PostgreSQL has no statistics."""


class Ledger:
    """The ledger at an SQLAlchemy URL (`sqlite:///lapse.db`, `postgresql+psycopg://…`), its schema brought up to date.

    With `read_only` an existing ledger is looked at beside the process that works on it; with `beside` an operator's
    command may also write, in transactions as short as that process's own. `hash_key` is `ledger.hash_key`.
    Raises LedgerRefused if the URL is none, another process has this SQLite file, or a newer Lapse wrote it.
    """

    def __init__(self, url: str, *, hash_key: str | None = None, read_only: bool = False, beside: bool = False) -> None:
        parsed = _parsed(url)
        self.connections = 0
        """Connections to PostgreSQL that were made so far: behind a new one may be another server."""
        self.failovers = 0
        """How often a connection met another timeline than the one before: a standby was promoted."""
        self._timeline: str | None = None
        self._lock_file: int | None = None
        self._write_lock: PriorityLock | None = None
        self.needs_scrub = False
        if parsed.get_backend_name() == "sqlite":
            path = _file(parsed, must_exist=read_only or beside)
            self._lock_file = None if read_only or beside else _lock(path)
            self._write_lock = PriorityLock()
            self._engine = _sqlite(parsed, read_only)
        else:
            self._engine = _postgresql(parsed, read_only, self._note_connection)
        self._reading_engine = self._engine.execution_options(**{_READS_ONLY: True})
        try:
            with self.reading() if read_only else self.transaction() as connection:
                if self._write_lock is None:
                    _require_utf8(connection)
                key = None if hash_key is None else _key_bytes(hash_key)
                found = (migrations.check if read_only or beside else migrations.migrate)(connection, key)
        except BaseException:
            self.close()
            raise
        self.id = found.ledger_id
        self.version, self.version_before = found.version, found.version_before
        self._hash_key = found.hash_key

    @property
    def hash_key(self) -> bytes:
        """The key of the hashes of phone numbers. Raises LedgerRefused if it is kept outside and was not given."""
        if self._hash_key is None:
            raise LedgerRefused("the key of this ledger is kept outside it: set ledger.hash_key to it")
        return self._hash_key

    @contextmanager
    def transaction(self, *, urgent: bool = False) -> Iterator[Connection]:
        """Yield a connection whose writes are durable when this returns, and did not happen if it raises.

        Blocks its thread; in SQLite also for as long as another thread is in one. An urgent one, which must be short,
        goes before all others that wait.
        """
        lock = self._write_lock.held(urgent=urgent) if self._write_lock else nullcontext()
        with lock, self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that reads one moment, and holds nobody up."""
        with self._reading_engine.begin() as connection:
            yield connection

    def _note_connection(self, timeline: str | None) -> None:
        self.connections += 1
        if timeline is not None:
            self.failovers += self._timeline not in (None, timeline)
            self._timeline = timeline

    def analyze_new_tables(self) -> list[str]:
        """Have PostgreSQL take statistics of tables that have become large and have none; return their names.

        It does that by itself once a minute at best, and until then chooses plans that read whole tables. SQLite does
        well without.
        """
        if self._write_lock:
            return []
        with self.transaction() as connection:
            found = list(connection.scalars(_NEW_TABLES))
            for table in found:
                connection.exec_driver_sql(f'ANALYZE (SKIP_LOCKED) "{table}"')
        return found

    def scrub(self) -> None:
        """Have SQLite empty its write-ahead log, in which what was erased is still to be found.

        It cannot while somebody reads: `needs_scrub` says then that it is to be called again. PostgreSQL has no such
        command: see SECURITY.md.
        """
        if self._write_lock is None:
            return
        with self._write_lock.held(urgent=False), closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_SCRUB_TIMEOUT_MS}")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (busy, _, _) = cursor.fetchone() or (1, 0, 0)
            cursor.execute("PRAGMA busy_timeout=10000")
            self.needs_scrub = bool(busy)

    def close(self) -> None:
        """Close the connections and, in SQLite, give the file back."""
        self._engine.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def location(url: str) -> str:
    """Return where the ledger is, for people: the file's whole path, or host and database without user and password."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return str(Path(parsed.database or "").absolute())
    return f"{parsed.host or 'the local server'}/{parsed.database or ''}"


def _key_bytes(text: str) -> bytes:
    return bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]{64}", text) else text.encode()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        # Not the URL itself: it may hold a password.
        raise LedgerRefused(
            "ledger.url is no database URL: write sqlite:///lapse.db or postgresql+psycopg://…"
        ) from None


def _file(url: URL, *, must_exist: bool) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise LedgerRefused("the ledger must outlive this process: name a file, such as sqlite:///lapse.db")
    path = Path(url.database).absolute()
    if must_exist and not path.exists():
        raise NoLedger(
            f"there is no ledger at {path} yet: the first `lapse run` makes it. If Lapse runs already, does this"
            " command read the same lapse.yaml (--config), and does it see the same ledger.url?"
        )
    return path


def _lock(path: Path) -> int:
    """Take the lock that keeps a second process out. It goes with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock_file, 20, 0).decode("ascii", "replace").strip() or "?"
        os.close(lock_file)
        raise LedgerRefused(
            f"process {holder} is at work on the ledger {path}, and SQLite takes only one:"
            " stop it, or use PostgreSQL for several replicas"
        ) from None
    os.ftruncate(lock_file, 0)
    os.pwrite(lock_file, f"{os.getpid()}\n".encode(), 0)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # nobody else may read phone numbers
    return lock_file


def _postgresql(url: URL, read_only: bool, note_connection: Callable[[str | None], None]) -> Engine:
    timeouts = {name: value for name, value in _CLIENT_TIMEOUTS.items() if name not in url.query}
    # Whatever PGCLIENTENCODING or the server says: the client would else lose characters, or read bytes.
    arguments = {**timeouts, "client_encoding": "utf8"}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    settings = {**_SESSION_SETTINGS, "default_transaction_read_only": "on" if read_only else "off"}

    def connected(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        connection.autocommit = True  # (what is set within a transaction goes with it)
        cursor = connection.cursor()
        for setting, value in settings.items():
            cursor.execute(f"SET {setting} = '{value}'")
        cursor.execute(_DURABLE_COMMITS)
        note_connection(_timeline(cursor))
        cursor.close()
        connection.autocommit = False

    event.listen(engine, "connect", connected)
    event.listen(engine, "handle_error", _hide_values)
    return engine


def _require_utf8(connection: Connection) -> None:
    """Raise LedgerRefused if the database cannot keep every text."""
    encoding, database = connection.execute(text("SELECT current_setting('server_encoding'), current_database()")).one()
    if encoding != "UTF8":
        raise LedgerRefused(
            f"the database {database} has the encoding {encoding}, which cannot keep every name: make another one"
            f" (CREATE DATABASE lapse_utf8 ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0) and name it in ledger.url"
        )


def _timeline(cursor: DBAPICursor) -> str | None:
    """Return the server's timeline, which a promotion changes; None where the server does not say."""
    from psycopg import DatabaseError

    try:
        cursor.execute(_TIMELINE)
        row = cursor.fetchone()
    except DatabaseError:
        return None
    return None if row is None else row[0]


def _hide_values(context: ExceptionContext) -> None:
    """Keep only the first line of PostgreSQL's errors: their details show values, such as a phone number."""
    from psycopg import DatabaseError  # takes its time to load, and SQLite does without

    error, shown = context.original_exception, context.sqlalchemy_exception
    if isinstance(error, DatabaseError) and error.diag.message_primary:
        error.args = (error.diag.message_primary,)
        if shown is not None:
            shown.args = (f"({type(error).__name__}) {error.diag.message_primary}",)


def _sqlite(url: URL, read_only: bool) -> Engine:
    engine = create_engine(url, hide_parameters=True, pool_size=4, max_overflow=16)

    def connected(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the transactions are ours: see `began`
        cursor = connection.cursor()
        for pragma in ("busy_timeout=10000", "foreign_keys=ON", "synchronous=FULL", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute("PRAGMA query_only=ON" if read_only else "PRAGMA journal_mode=WAL")
        cursor.close()

    def began(connection: Connection) -> None:
        # IMMEDIATE, because a transaction that began reading may find that it can no longer write.
        only_reads = connection.get_execution_options().get(_READS_ONLY, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine
