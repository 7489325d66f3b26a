"""What is fetched for the tests is whole or not there, however many ask for it at once."""

import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep

import pytest

from tests.broker.class_cache import options_for
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


@pytest.mark.parametrize(("version", "kept"), [("17.0.15", "-XX:SharedArchiveFile="), ("25.0.2", "-XX:AOTCache=")])
def test_what_a_java_loads_is_kept_at_its_first_start_alone(version: str, kept: str, tmp_path: Path) -> None:
    java, starts = _java(tmp_path, version), []

    def run(options: Sequence[str]) -> None:
        starts.append(options)
        [option] = options
        Path(option.partition("=")[2]).touch()

    for _ in range(2):
        assert options_for(java, "kafka", run, tmp_path)[0] == f"{kept}{tmp_path}/kafka-java-{version[:2]}/classes"
    assert len(starts) == 1


def test_a_java_that_keeps_nothing_starts_as_ever(tmp_path: Path) -> None:
    assert options_for(_java(tmp_path, "17.0.15"), "kafka", lambda options: None, tmp_path) == []


def _java(folder: Path, version: str) -> Path:
    stub = folder / "java"
    stub.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    stub.chmod(0o755)
    return stub


def _fetch_slowly(cache: Path) -> Path:
    def fill(folder: Path) -> None:
        with (cache / "fetched").open("a") as log:
            log.write("once\n")
        sleep(0.5)  # so that the others ask meanwhile
        (folder / "kafka.jar").write_text("bytes")

    return cached_folder("jars", fill, cache)
