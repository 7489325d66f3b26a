"""Reminders through a sandbox with all faults on at once; then sandbox, ledger and topic are compared.

    python -m bench.faults [--reminders 10000] [--seeds 1 2 3]

Nothing is timed. It exits 1 if a reminder was accepted twice, has no end, or if the three contradict each other.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from consumer import log
from consumer.config.sections.service import LogSettings
from tests.faults.storm import FAULTS, Books, storm


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reminders", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    log.configure(LogSettings(level="error"))
    print(f"{arguments.reminders} reminders; {FAULTS}")
    return max(_run(arguments.reminders, seed) for seed in arguments.seeds)


def _run(reminders: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        books = storm(Path(folder), reminders=reminders, seed=seed)
    wrong = list(books.contradictions())
    print(f"seed {seed}: {len(books.accepted)} accepted, {len(books.topic)} records, {len(wrong)} contradictions")
    print(f"    unknown and then found {len(books.found())}, {_doubt(books)}")
    for status, number in books.counts().most_common():
        print(f"    {number:6} {status}")
    for each in wrong[:20]:
        print(f"    ! {each}")
    return 1 if wrong else 0


def _doubt(books: Books) -> str:
    return f"never found {len(books.unresolved())}, of which the sandbox took {books.accepted_unresolved()}"


if __name__ == "__main__":
    sys.exit(main())
