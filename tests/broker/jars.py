"""Jars for tests, brought by Maven once and kept in `.cache/`."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .broker import NoBroker

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache"


def kafka_jars(java: Path, cache: Path = CACHE) -> Path:
    """The folder with all jars of a broker, for `java -cp "folder/*"`. Raises NoBroker."""
    return brought(java, "kafka", POM, "copy-dependencies", cache)


def brought(java: Path, name: str, pom: Path, goal: str, cache: Path = CACHE) -> Path:
    """The folder with what this goal of Maven's dependency plugin makes of the pom. Raises NoBroker."""
    # Named after what is asked for, so that another version is another folder.
    jars = cache / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not jars.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            fetched = Path(scratch, "jars")
            # (Beside the pom Maven leaves notes of what it has done, and next time believes them.)
            _fetch(java, name, Path(shutil.copy(pom, scratch)), goal, fetched)
            _keep(fetched, jars)
    return jars


def _keep(fetched: Path, jars: Path) -> None:
    try:
        fetched.rename(jars)
    except OSError:
        if not jars.is_dir():  # else somebody else was quicker, with the same jars
            raise


def _fetch(java: Path, name: str, pom: Path, goal: str, into: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoBroker(f"no Maven (the command mvn), which brings the jars of {name}")
    command = [maven, "-q", "-B", "-f", str(pom), f"dependency:{goal}", f"-DoutputDirectory={into}"]
    environ = dict(os.environ)
    if not shutil.which("java"):  # Maven will do with an old one, but not with none
        environ.setdefault("JAVA_HOME", str(java.resolve().parents[1]))
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode != 0:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), "it said nothing")
        raise NoBroker(f"Maven did not bring the jars of {name}: {why}")
