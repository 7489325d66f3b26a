"""A private temporary SQLite database for what is known of a file's users: it moves to disk as it grows."""

import sqlite3


def open_scratch(table: str) -> sqlite3.Connection:
    """Return a database with this table (as in CREATE TABLE), in a transaction that is never committed."""
    database = sqlite3.connect("", isolation_level=None)
    for statement in ("PRAGMA journal_mode = OFF", f"CREATE TABLE {table}", "BEGIN"):
        database.execute(statement)
    return database
