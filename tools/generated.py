"""Writes files that are made of the code, or checks that they are up to date."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def write_or_check(files: Mapping[Path, str], module: str, about: str | None) -> int:
    """Write these texts; with `--check` on the command line write nothing, and name on stderr those out of date.

    `module` is the tool that is to be run again, `about` describes it. Returns the exit code.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    stale = []
    for path, text in files.items():
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(f"{path.relative_to(_ROOT)} is out of date: run .venv/bin/python -m {module}")
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    sys.stderr.writelines(f"{line}\n" for line in stale)
    return 1 if stale else 0
