"""Check that what the repository's texts refer to exists. Exits with 1 and a line for each reference that does not.

Looked at: links in Markdown files, and in every text file the names of our Markdown files with or without an #anchor,
and paths of files that begin with one of our folders. Anchors follow GitHub's rules for headings.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".avsc", ".html", ""}
PASSED_OVER = {"LICENSE", "test_check_references.py"}
"""Not ours, and full of wrong references."""

FOLDERS = r"(?:consumer|tests|bench|tools|docs|schemas|deploy|examples)"
PAGE = re.compile(r"(?<![\w/.-])(docs/[\w.-]+\.md|[A-Z]{4,}\.md)(#[\w-]+)?(?![\w/])")
FILE = re.compile(rf"(?<![\w/.-])({FOLDERS}/[\w./-]*\w\.(?:py|avsc|ya?ml|jsonl|toml))(?![\w/])")
ROOM_FILE = re.compile(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.py)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = re.compile(r"(?<![\w\]\"'(])\[([a-z][a-z0-9]{2,})\](?![(:\w])")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    problems = [problem for path in files() for problem in broken(path)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def files() -> list[Path]:
    """Text files that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    paths = (ROOT / line for line in listed.splitlines())
    return [path for path in paths if path.suffix in TEXTS and path.is_file() and path.name not in PASSED_OVER]


def broken(path: Path) -> Iterator[str]:
    """The references of a file that lead nowhere, as `file:line: what`."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        for what in (*pages(path, line), *paths(path, line)):
            yield f"{path.relative_to(ROOT)}:{number}: {what}"


def pages(path: Path, line: str) -> Iterator[str]:
    """Our own pages, in links and in running text."""
    links = LINK.findall(line) if path.suffix == ".md" else []
    for link in links:
        name, _, anchor = link.partition("#")
        if not re.match(r"[a-z]+:", link):
            yield from wanting(path.parent / name if name else path, anchor)
    for name, anchor in PAGE.findall(LINK.sub("", line)):
        yield from wanting(ROOT / name, anchor[1:])


def wanting(page: Path, anchor: str) -> Iterator[str]:
    if not page.exists():
        yield f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page} does not exist"
    elif anchor and anchor not in anchors(page):
        yield f"{page.name} has no heading for #{anchor}"


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings: lower case, no punctuation, hyphens for spaces, numbered if repeated."""
    found: dict[str, int] = {}
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        count = found[plain] = found.get(plain, -1) + 1
        if count:
            found[f"{plain}-{count}"] = 0
    return frozenset(found)


def paths(path: Path, line: str) -> Iterator[str]:
    """Files by their path from the root, or (in backticks) from `consumer/`; and labels of docs/1msg.md's sources."""
    for name in FILE.findall(line):
        if not (ROOT / name).exists():
            yield f"{name} does not exist"
    for name in ROOM_FILE.findall(line):
        if not any((base / name).exists() for base in (ROOT, ROOT / "consumer", *path.parents)):
            yield f"{name} does not exist"
    if path.is_relative_to(ROOT / "consumer" / "onemsg") and ("#" in line or "ErrorRule(" in line or '"""' in line):
        for label in SOURCE.findall(line):
            if f"\n[{label}]: " not in (ROOT / "docs" / "1msg.md").read_text(encoding="utf-8"):
                yield f"docs/1msg.md has no source [{label}]"


if __name__ == "__main__":
    sys.exit(main())
