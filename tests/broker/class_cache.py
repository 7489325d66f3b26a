"""What a Java loads before a broker answers, kept for its next start, which then takes half of the processor time."""

from collections.abc import Callable, Sequence
from pathlib import Path

from .jars import CACHE, cached_folder
from .java import version_of

# Compiled code is kept there, too, which a Java that compiles less (TieredStopAtLevel) complains about.
_CLASSES_ALONE = [
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:-AOTAdapterCaching",
    "-XX:-AOTStubCaching",
]


def options_for(java: Path, program: str, run: Callable[[Sequence[str]], None], cache: Path = CACHE) -> list[str]:
    """Return the options for a start of this program; none for a Java that keeps nothing.

    The first time, `run` starts the program with the options that it is given, and stops it in good order.
    """
    version = version_of(java)
    if version >= 25:
        write, read, more = "AOTCacheOutput", "AOTCache", _CLASSES_ALONE
    else:
        write, read, more = "ArchiveClassesAtExit", "SharedArchiveFile", []
    folder = cached_folder(
        f"{program}-java-{version}", lambda folder: run([f"-XX:{write}={folder / 'classes'}"]), cache
    )
    kept = folder / "classes"
    return [f"-XX:{read}={kept}", *more] if kept.exists() else []
