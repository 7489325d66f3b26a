"""Lists the licences of everything that Lapse needs at run time, or for tracing: `python -m tools.check_licences`.

Ends with status 1 if one of them is not known to allow every use of Lapse: `ALLOWED` says which do, and `READ` those
that were looked up because a package does not state its licence in a form that programs read.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
ALLOWED = {
    *("MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "ISC", "PSF-2.0", "Zlib", "CC0-1.0"),
    *("Unlicense", "MPL-2.0"),
    "LGPL-3.0-only",  # imported, neither changed nor linked into ours: psycopg
}
NAMES = {
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "ISC License (ISCL)": "ISC",
}
READ = {"httpx-aiohttp": "BSD-3-Clause"}
EXTRAS = ("otel",)
_TOGETHER = re.compile(r"\s+(?:AND|OR)\s+|[()]")


def installed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Return what these requirements need, and what that needs in turn, as far as it is installed here."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(text), frozenset({""})) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, extras = waiting.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        key = (name, frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [(Requirement(text), key[1] | {""}) for text in found[name].requires or ()]
    return found


def licence_of(metadata: Mapping[str, str], classifiers: Iterable[str]) -> str:
    """Return a package's licence as an SPDX expression; "" if it states none that is known."""
    if expression := metadata.get("License-Expression"):
        return expression
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    stated = [NAMES.get(text, text) for text in [metadata.get("License") or "", *named]]
    return next((each for each in stated if each and is_allowed(each)), next(filter(None, stated), ""))


def is_allowed(licence: str) -> bool:
    """Return whether every licence of the expression is one that is allowed."""
    return all(part in ALLOWED for part in filter(None, _TOGETHER.split(licence.strip())))


def _licences() -> Iterator[tuple[str, str]]:
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = [each for extra in EXTRAS for each in project["optional-dependencies"][extra]]
    for name, package in sorted(installed(project["dependencies"] + extras).items()):
        metadata = package.metadata
        stated = {key: metadata[key] for key in ("License-Expression", "License") if key in metadata}
        yield name, READ.get(name) or licence_of(stated, metadata.get_all("Classifier") or ())


def main() -> int:
    found = list(_licences())
    refused = [name for name, licence in found if not licence or not is_allowed(licence)]
    if refused or "--quiet" not in sys.argv:
        sys.stdout.writelines(f"{name:30} {licence[:60] or 'states none'}\n" for name, licence in found)
    if refused:
        sys.stderr.write(f"not known to be allowed: {', '.join(refused)} (see tools/check_licences.py)\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
