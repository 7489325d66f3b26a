"""What a Java loads before a broker answers, kept for its next start, which then takes half of the processor time."""

from collections.abc import Callable, Sequence
from pathlib import Path

from .jars import CACHE, cached_folder
from .java import version_of

_WRITE, _READ = ["-XX:ArchiveClassesAtExit={}"], ["-XX:SharedArchiveFile={}"]
_WRITE_25, _READ_25 = ["-XX:AOTCacheOutput={}"], ["-XX:AOTCache={}"]
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
    write, read = (_WRITE_25, [*_READ_25, *_CLASSES_ALONE]) if version >= 25 else (_WRITE, _READ)

    def fill(folder: Path) -> None:
        run([option.format(folder / "classes") for option in write])

    kept = cached_folder(f"{program}-java-{version}", fill, cache) / "classes"
    return [option.format(kept) for option in read] if kept.exists() else []
