"""Pins the images that docker-compose.yml names, Python's for our own among them: `python -m tools.pin_images`.

A tag may name another image tomorrow, a digest never does. Docker is asked which image each tag names now; the answers
go into `.env`, which `docker compose` reads. With `--check` nobody is asked: it ends with status 1 and the names of the
images that are not pinned there or in the environment.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_IMAGE = re.compile(r"\$\{([A-Z]+_IMAGE):-([^}]+:[^}]+)\}")  # LAPSE_IMAGE has no tag: it is built here
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_LINE = re.compile(r"^([A-Z]+_IMAGE)=(.*)$", re.MULTILINE)


def tags(compose: str) -> dict[str, str]:
    """Return by variable the image that docker-compose.yml takes where the variable is not set."""
    return dict(_IMAGE.findall(compose))


def not_pinned(wanted: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Return the images for which no digest is given."""
    return [given.get(name, tag) for name, tag in wanted.items() if not _DIGEST.search(given.get(name, tag))]


def with_pins(env: str, pins: Mapping[str, str]) -> str:
    """Return the text of `.env` with these images; its other lines stay."""
    kept = [line for line in env.splitlines() if line.partition("=")[0] not in pins]
    return "".join(f"{line}\n" for line in [*kept, *(f"{name}={image}" for name, image in pins.items())])


def _digest(tag: str) -> str:
    """Return the tag with the digest of what it names now. Raises CalledProcessError."""
    _docker("pull", "--quiet", tag)
    (line, *_) = _docker("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', tag).splitlines()
    return f"{tag}@{line.rpartition('@')[2]}"


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - our own command


def main(folder: Path, *, check: bool) -> int:
    """Pin the images, or only look; return the exit status."""
    wanted, env = tags((folder / "docker-compose.yml").read_text()), folder / ".env"
    text = env.read_text() if env.exists() else ""
    if not check:
        text = with_pins(text, {name: _digest(tag) for name, tag in wanted.items()})
        env.write_text(text)
    missing = not_pinned(wanted, {**dict(_LINE.findall(text)), **os.environ})
    for image in missing:
        sys.stdout.write(f"not pinned by digest: {image}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1], check="--check" in sys.argv[1:]))
