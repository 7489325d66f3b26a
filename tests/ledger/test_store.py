"""Durable commits, who may be at work at once, and what no error shows."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, insert, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError

from consumer.ledger.errors import LedgerRefused
from consumer.ledger.schema.replica_tables import watermarks
from consumer.ledger.schema.tables import contacts, metadata
from consumer.ledger.store import Ledger

from .history import add_delivered

CLIENT_TIMEOUTS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "20000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


def add_watermark(connection: Connection, partition: int) -> None:
    connection.execute(insert(watermarks), {"partition": partition, "watermark": 1})


def partitions(ledger: Ledger) -> list[int]:
    with ledger.reading() as connection:
        return list(connection.scalars(select(watermarks.c.partition).order_by(watermarks.c.partition)))


def test_a_new_ledger_has_every_table_and_a_lasting_identity(ledger_url: str) -> None:
    first = Ledger(ledger_url)
    with first.reading() as connection:
        found = set(inspect(connection).get_table_names())
    first.close()
    second = Ledger(ledger_url)
    second.close()
    assert {table.name for table in metadata.tables.values()} <= found
    assert second.id == first.id
    assert second.hash_key == first.hash_key
    assert len(first.hash_key) == 32


def test_each_ledger_has_an_identity_of_its_own(tmp_path: Path) -> None:
    one, other = Ledger(f"sqlite:///{tmp_path / 'a.db'}"), Ledger(f"sqlite:///{tmp_path / 'b.db'}")
    assert one.id != other.id
    assert one.hash_key != other.hash_key
    one.close()
    other.close()


def test_sqlite_commits_are_on_the_disk_before_they_return(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.transaction() as connection:
        pragmas = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def settings_of(ledger: Ledger, *names: str) -> dict[str, str]:
    with ledger.reading() as connection:
        return {name: str(connection.scalar(text(f"SHOW {name}"))) for name in names}


@pytest.mark.parametrize(
    ("of_the_server", "ours"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
def test_postgresql_commits_are_durable_whatever_the_server_is_set_to(
    postgresql_url: str, of_the_server: str, ours: str
) -> None:
    options = {"options": f"-c synchronous_commit={of_the_server}"}
    url = make_url(postgresql_url).update_query_dict(options).render_as_string(hide_password=False)
    ledger = Ledger(url)
    assert settings_of(ledger, "synchronous_commit") == {"synchronous_commit": ours}
    ledger.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
@pytest.mark.parametrize("client_encoding", [None, "SQL_ASCII"])
def test_database_that_cannot_keep_every_name_is_refused_with_how_to_make_one_that_can(
    postgresql_url: str, encoding: str, client_encoding: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if client_encoding:
        monkeypatch.setenv("PGCLIENTENCODING", client_encoding)
    name = f"{make_url(postgresql_url).database}_other_encoding"
    server = create_engine(postgresql_url, isolation_level="AUTOCOMMIT", connect_args={"client_encoding": "utf8"})
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"))
        url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
        with pytest.raises(LedgerRefused, match=f"encoding {encoding}.*ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"):
            Ledger(url)
        connection.execute(text(f"DROP DATABASE {name}"))
    server.dispose()


def test_environment_of_another_encoding_changes_no_text(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(Ledger(postgresql_url)) as ledger, ledger.reading() as connection:
        assert connection.scalar(text("SELECT '\u0416' || chr(1046)")) == "\u0416\u0416"


def test_no_statement_of_postgresql_runs_or_waits_for_ever(postgresql_ledger: Ledger) -> None:
    limits = {"statement_timeout": "5min", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "15s"}
    assert settings_of(postgresql_ledger, *limits) == limits
    with postgresql_ledger.reading() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        client = {name: value for name, value in driver.info.get_parameters().items() if name in CLIENT_TIMEOUTS}
    assert client == CLIENT_TIMEOUTS


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://lapse@127.0.0.1:{silent.getsockname()[1]}/lapse?connect_timeout=2"
        with pytest.raises(OperationalError, match="timeout"):
            Ledger(url)


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    def change_and_fail() -> None:
        with ledger.transaction() as connection:
            add_watermark(connection, 1)
            raise RuntimeError("thought better of it")

    with pytest.raises(RuntimeError, match="thought better"):
        change_and_fail()
    assert partitions(ledger) == []


@pytest.mark.slow
def test_a_second_process_on_the_same_sqlite_file_is_refused(sqlite_ledger: Ledger, sqlite_url: str) -> None:
    script = f"from consumer.ledger.store import Ledger\nLedger({sqlite_url!r})"
    refused = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"process {os.getpid()} is at work on the ledger" in refused.stderr
    assert "use PostgreSQL for several replicas" in refused.stderr


def test_a_second_ledger_in_the_same_process_is_refused(sqlite_ledger: Ledger, sqlite_url: str) -> None:
    with pytest.raises(LedgerRefused, match="SQLite takes only one"):
        Ledger(sqlite_url)


@pytest.mark.slow
def test_a_killed_process_releases_the_sqlite_file(sqlite_url: str) -> None:
    script = (
        "import sys, time\nfrom consumer.ledger.store import Ledger\n"
        f"Ledger({sqlite_url!r})\nprint('open', flush=True)\ntime.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(LedgerRefused, match=f"process {holder.pid} "):
        Ledger(sqlite_url)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    Ledger(sqlite_url).close()


def test_a_read_only_ledger_works_beside_the_writer(ledger: Ledger, ledger_url: str) -> None:
    with ledger.transaction() as connection:
        add_watermark(connection, 1)
    looking = Ledger(ledger_url, read_only=True)
    with ledger.transaction() as connection:
        add_watermark(connection, 2)
        assert partitions(looking) == [1]
    assert partitions(looking) == [1, 2]
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), looking.transaction() as connection:
        add_watermark(connection, 3)
    looking.close()


def test_opening_read_only_makes_no_ledger(ledger_url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerRefused, match="there is no ledger"):
        Ledger(ledger_url, read_only=True)
    assert not (tmp_path / "lapse.db").exists()
    engine = create_engine(ledger_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url at all"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    with pytest.raises(LedgerRefused):
        Ledger(url)


def test_no_refusal_shows_the_password() -> None:
    with pytest.raises(LedgerRefused) as refused:
        Ledger("postgresql//lapse:s3cret@db/lapse")
    assert "s3cret" not in str(refused.value)


def test_one_thread_writes_at_a_time(ledger: Ledger) -> None:
    def write(first: int) -> None:
        for partition in range(first, first + 20):
            with ledger.transaction() as connection:
                add_watermark(connection, partition)

    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(partitions(ledger)) == 80


def test_no_error_shows_a_phone_number(ledger: Ledger) -> None:
    phone = "34612345678"
    row = {"user_id": "maria", "phone": phone, "opt_in": True, "erased": False, "source_partition": 0}
    with pytest.raises(StatementError) as missing, ledger.transaction() as connection:
        connection.execute(insert(contacts), row)
    with pytest.raises(IntegrityError) as twice, ledger.transaction() as connection:
        connection.execute(insert(contacts), [{**row, "source_offset": n} for n in (1, 2)])
    assert phone not in str(missing.value)
    assert phone not in str(twice.value)


def test_sqlite_files_are_readable_by_their_owner_alone(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with sqlite_ledger.transaction() as connection:
        add_watermark(connection, 1)
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(modes, 0)
    assert "lapse.db-wal" in modes


def test_postgresql_takes_statistics_once_of_a_table_that_has_become_large(postgresql_ledger: Ledger) -> None:
    assert postgresql_ledger.analyze_new_tables() == []
    with postgresql_ledger.transaction() as connection:
        for table in ("attempts", "outbox", "reminders"):
            connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    with postgresql_ledger.transaction() as connection:
        add_delivered(connection, 10_000, first=1, apart=1)
    assert sorted(postgresql_ledger.analyze_new_tables()) == ["attempts", "outbox", "reminders"]
    assert postgresql_ledger.analyze_new_tables() == []


def test_sqlite_needs_no_statistics(sqlite_ledger: Ledger) -> None:
    assert sqlite_ledger.analyze_new_tables() == []


class TestHashKeyOutside:
    """`ledger.hash_key`: a new ledger has none inside; one that has loses it once the same is kept outside."""

    def test_new_ledger_has_no_key_inside(self, unused_ledger_url: str) -> None:
        Ledger(unused_ledger_url, hash_key="sixteen or more characters").close()
        with pytest.raises(LedgerRefused, match=r"set ledger\.hash_key"):
            _ = closing_after(Ledger(unused_ledger_url)).hash_key
        with pytest.raises(LedgerRefused, match="the one that it was before"):
            Ledger(unused_ledger_url, hash_key="another one of that length")
        again = closing_after(Ledger(unused_ledger_url, hash_key="sixteen or more characters"))
        assert again.hash_key == b"sixteen or more characters"

    def test_key_moves_out_of_a_ledger_that_has_one(self, unused_ledger_url: str) -> None:
        own = closing_after(Ledger(unused_ledger_url)).hash_key
        with pytest.raises(LedgerRefused, match="lapse ledger key"):
            Ledger(unused_ledger_url, hash_key="sixteen or more characters")
        for _ in range(2):
            assert closing_after(Ledger(unused_ledger_url, hash_key=own.hex())).hash_key == own
        with pytest.raises(LedgerRefused, match=r"set ledger\.hash_key"):
            _ = closing_after(Ledger(unused_ledger_url)).hash_key


def closing_after(ledger: Ledger) -> Ledger:
    ledger.close()
    return ledger
