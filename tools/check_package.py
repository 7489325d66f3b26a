"""Builds the source distribution, from it the wheel, installs that into an empty folder, and runs it from another.

What a package lacks is seen only so: the tests run from a checkout, where every file is at hand.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_COMMANDS = (["--version"], ["--help"], ["init", "--help"], ["check", "--help"], ["demo", "--help"])
_USE = """
import consumer, pathlib, sys
from consumer.activity.schemas.avro_schema import FILES, own
from consumer.ledger.store import Ledger
assert pathlib.Path(consumer.__file__).is_relative_to(sys.argv[1]), consumer.__file__
for cls in FILES:
    own(cls)
Ledger("sqlite:///lapse.db").close()
"""


def main() -> int:
    """Return the exit status; what fails says why itself."""
    with tempfile.TemporaryDirectory(prefix="lapse-package-") as made:
        folder = Path(made)
        _run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", made], ROOT)
        [source] = folder.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            archive.extractall(folder / "source", filter="data")
        [unpacked] = (folder / "source").iterdir()
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made], unpacked)
        shutil.rmtree(folder / "source")
        [wheel] = folder.glob("*.whl")
        site, empty = folder / "site", folder / "empty"
        empty.mkdir()
        install = ["-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(site), str(wheel)]
        _run([sys.executable, *install], empty)
        for command in _COMMANDS:
            _run([sys.executable, str(site / "bin" / "lapse"), *command], empty, site)
        _run([sys.executable, "-c", _USE, str(site)], empty, site)
    print(f"{source.name} and {wheel.name} are whole")  # noqa: T201
    return 0


def _run(command: list[str], folder: Path, site: Path | None = None) -> None:
    """Run to success, quietly. Raises CalledProcessError, after the output was shown."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LAPSE_", "PIP_", "PYTHONPATH"))}
    environment = clean | ({"PYTHONPATH": str(site)} if site else {})
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


if __name__ == "__main__":
    sys.exit(main())
