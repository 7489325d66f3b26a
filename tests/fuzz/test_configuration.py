"""Any file and any variables are settings, or mistakes that are said line by line."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.loader import ConfigError, load

EXAMPLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "lapse.example.yaml").read_text())
PROCESSES = {"checkout": {"action": "your order", "remind_after": ["2h"]}}
SECTIONS = ("kafka", "topics", "schema_registry", "source", "processes", "detect", "onemsg", "policy", "web", "log")
KEYS = ("action", "remind_after", "token", "env", "file", "port", "public", "host", "from")
words = st.text(max_size=12) | st.sampled_from(["24h", "1e309", "9" * 400, "-1h", "09:00", "{{1}}", "a.b"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | words, inner, max_size=3),
    max_leaves=8,
)


def said_of(content: bytes, environ: dict[str, str] | None = None) -> list[str]:
    """Return what is said of a file; nothing if it is right."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(content)
        file.flush()
        try:
            load(Path(file.name), environ or {})
        except ConfigError as problem:
            return list(problem.problems)
    return []


@given(st.binary(max_size=200) | st.text("abc:-[]{}&*!#|>'\"\n ,<\t", max_size=80).map(str.encode))
def test_any_file_is_read_or_its_mistakes_are_said(content: bytes) -> None:
    assert all(said_of(content + b"\n")) or said_of(content) == []


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(SECTIONS) | words, values, max_size=3))
def test_any_values_are_settings_or_mistakes(sections: dict[str, Any]) -> None:
    content = yaml.safe_dump({"processes": PROCESSES, **sections}, allow_unicode=True)
    for line in said_of(content.encode("utf-8", "surrogatepass")):
        assert ": " in line


@given(st.sampled_from(SECTIONS), st.sampled_from(KEYS) | words, words)
def test_any_variables_are_settings_or_mistakes(section: str, key: str, text: str) -> None:
    name = f"LAPSE_{section}__{key}".upper().replace("\0", "")
    said_of(yaml.safe_dump({"processes": PROCESSES}).encode(), {name: text.replace("\0", "")})


@given(st.data())
def test_the_example_with_one_value_changed_is_right_or_names_it(data: st.DataObject) -> None:
    section = data.draw(st.sampled_from([name for name in EXAMPLE if isinstance(EXAMPLE[name], dict)]))
    key = data.draw(st.sampled_from(sorted(EXAMPLE[section])))
    changed = {**EXAMPLE, section: {**EXAMPLE[section], key: data.draw(values)}}
    with contextlib.suppress(yaml.YAMLError):
        for line in said_of(yaml.safe_dump(changed).encode("utf-8", "surrogatepass")):
            assert section in line or "YAML" in line
