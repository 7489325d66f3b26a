"""Java programs for tests, fetched once by `jgo` (a Maven client in pure Python, from PyPI) and kept in `.cache/`."""

import fcntl
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from .broker import NoBroker

if TYPE_CHECKING:
    from jgo.maven import MavenContext

CACHE = Path(__file__).parents[2] / ".cache"
KAFKA_VERSION = "4.1.1"
APICURIO_VERSION = "2.6.13.Final"

Coordinates = tuple[str, str, str]
"""Group, artifact and version."""

_KAFKA: tuple[Coordinates, ...] = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.slf4j", "slf4j-nop", "1.7.36"),
)
_APICURIO = ("io.apicurio", "apicurio-registry-app", APICURIO_VERSION)
_TIMEOUT_S = 60


def kafka_jars(cache: Path = CACHE) -> Path:
    """Return the folder with all jars of a broker, for `java -cp "folder/*"`. Raises NoBroker."""
    return cached_folder(f"kafka-{KAFKA_VERSION}", lambda folder: fetch_jars(folder, _KAFKA), cache)


def registry_jars(cache: Path = CACHE) -> Path:
    """Return the folder with an unpacked Apicurio Registry. Raises NoBroker."""
    return cached_folder(f"apicurio-{APICURIO_VERSION}", _fetch_registry, cache)


def cached_folder(name: str, fill: Callable[[Path], None], cache: Path = CACHE) -> Path:
    """Return the folder `name` of the cache; the first process that asks for it has `fill` write its files.

    The folder gets its name when it is complete, so a process that is killed meanwhile leaves nothing that looks
    like one. Other processes wait for the first.
    """
    folder, unfinished = cache / name, cache / f"{name}.unfinished"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            fill(unfinished)
            unfinished.rename(folder)
    return folder


def fetch_jars(folder: Path, wanted: Sequence[Coordinates]) -> None:
    """Write these jars into the folder, and all that they need. Raises NoBroker."""
    with _maven(folder, ", ".join(f"{name} {version}" for _, name, version in wanted)) as maven:
        from jgo.maven import Dependency

        roots = [maven.project(group, name).at_version(version).artifact() for group, name, version in wanted]
        _, others = maven.resolver.resolve([Dependency(root) for root in roots])
        for artifact in (*roots, *(dependency.artifact for dependency in others)):
            artifact.resolve().rename(folder / artifact.filename)


def _fetch_registry(folder: Path) -> None:
    with _maven(folder, f"Apicurio Registry {APICURIO_VERSION}") as maven:
        group, name, version = _APICURIO
        packed = maven.project(group, name).at_version(version).artifact("all", "tar.gz").resolve()
        with tarfile.open(packed) as content:
            # An attribute, because Python 3.11.3 and older know no argument of that name.
            content.extraction_filter = getattr(tarfile, "data_filter", None)
            content.extractall(folder)


@contextmanager
def _maven(folder: Path, what: str) -> Iterator["MavenContext"]:
    """Give a Maven client whose downloads lie in `folder` until the end. Raises NoBroker for whatever goes wrong."""
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext, PythonResolver
    except ImportError:
        raise NoBroker(f"the package jgo, which fetches {what}, is not installed") from None
    downloads = folder / "downloads"
    # Where a company has a mirror, it is named in jgo's own configuration file; else jgo knows where to look.
    mirrors = GlobalSettings.load().repositories or None
    try:
        yield MavenContext(PythonResolver(), downloads, remote_repos=mirrors, timeout=_TIMEOUT_S)
        _check_jars(folder)
    except (OSError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, EOFError, ParseError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise NoBroker(f"go online, or name a mirror in jgo's configuration, for {what} ({why})") from error
    shutil.rmtree(downloads)


def _check_jars(folder: Path) -> None:
    """Raise BadZipFile where the bytes of a jar are not what its own checksums say."""
    for jar in folder.rglob("*.jar"):
        with zipfile.ZipFile(jar) as content:
            if content.testzip() is not None:
                raise zipfile.BadZipFile(f"{jar.name} arrived damaged")
