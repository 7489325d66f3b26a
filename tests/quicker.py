"""What makes a run quick without changing what is tested: files in memory, nothing that is worked out twice, and
tests that wait beside tests that compute."""

import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pytest
from httpx._transports import default
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache

_MEMORY = Path("/dev/shm")
_NEEDED = 4 * 1024**3
"""Bytes that must be free there; a container has 64 MiB of it unless told otherwise."""


def keep_files_in_memory() -> None:
    """Put temporary files, of this process and of those it starts, where a commit waits for no disk.

    Unless TMPDIR says where. Ledgers and brokers write as durably as ever, which is what takes most of the time on a
    disk that several tests share.
    """
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _has_room(folder: Path) -> bool:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _NEEDED and not found.f_flag & os.ST_NOEXEC


def mixed(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests file by file, with the files that need a broker, and wait most of the time, everywhere among those
    that compute: each process of xdist begins with a row of neighbours."""
    files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    waiting = [file for file in files if any(test.get_closest_marker("broker") for test in file)]
    computing = [file for file in files if file not in waiting]
    Random(0).shuffle(waiting)  # the same in each process
    placed = [(place / len(kind), file) for kind in (waiting, computing) for place, file in enumerate(kind)]
    return [test for _, file in sorted(placed, key=lambda each: each[0]) for test in file]


@contextmanager
def without_collecting_garbage() -> Iterator[None]:
    """For a time that makes objects which stay: they are not looked through meanwhile, nor ever again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Statements(LRUCache[Any, Any]):
    """Compiled statements by dialect, not by engine: each ledger has an engine of its own."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_for_any_engine(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_for_any_engine(key), compiled)


def _for_any_engine(key: Any) -> Any:
    dialect, *rest = key
    return dialect.name, dialect.server_version_info, *rest


def read_certificates_once() -> None:
    """Let all clients of httpx share one TLS context: each would read the certificates of all authorities, for 20 ms.

    Nearly all of them talk to this machine, without TLS.
    """
    default.create_ssl_context = cache(default.create_ssl_context)  # type: ignore[attr-defined]


def compile_statements_once() -> None:
    """Let all ledgers of this process share what SQLAlchemy compiled: they are opened by the thousand."""
    statements = _Statements(2000)

    @event.listens_for(Engine, "engine_connect")
    def connected(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)
