"""What is fetched for the tests is whole or not there, however many ask for it at once."""

import multiprocessing
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from tests.broker.jars import cached_folder


@pytest.mark.slow
def test_processes_that_ask_at_once_have_it_fetched_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        folders = pool.map(_fetch_slowly, [tmp_path] * 3)
    assert set(folders) == {tmp_path / "jars"}
    assert (tmp_path / "jars" / "kafka.jar").read_text() == "bytes"
    assert (tmp_path / "fetched").read_text() == "once\n"


def test_a_fetch_that_fails_leaves_nothing_behind_that_is_taken_for_it(tmp_path: Path) -> None:
    def break_off(folder: Path) -> None:
        (folder / "kafka.jar").write_text("by")
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        cached_folder("jars", break_off, tmp_path)
    folder = cached_folder("jars", lambda folder: (folder / "slf4j.jar").touch(), tmp_path)
    assert [file.name for file in folder.iterdir()] == ["slf4j.jar"]


def test_a_process_that_is_killed_while_it_fetches_is_followed_by_the_next(tmp_path: Path) -> None:
    script = f"""
import os, pathlib
from tests.broker.jars import cached_folder

def die(folder):
    (folder / "kafka.jar").write_text("by")
    os.kill(os.getpid(), 9)

cached_folder("jars", die, pathlib.Path({str(tmp_path)!r}))
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == -9
    folder = cached_folder("jars", lambda folder: (folder / "slf4j.jar").touch(), tmp_path)
    assert [file.name for file in folder.iterdir()] == ["slf4j.jar"]


def _fetch_slowly(cache: Path) -> Path:
    def fill(folder: Path) -> None:
        with (cache / "fetched").open("a") as log:
            log.write("once\n")
        sleep(0.5)  # so that the others ask meanwhile
        (folder / "kafka.jar").write_text("bytes")

    return cached_folder("jars", fill, cache)
