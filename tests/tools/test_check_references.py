"""References that lead nowhere are found, and those that lead somewhere are not."""

from pathlib import Path

import pytest

from tools import check_references


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one page, one module, and one source label."""
    monkeypatch.setattr(check_references, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "consumer" / "onemsg").mkdir(parents=True)
    (tmp_path / "consumer" / "onemsg" / "client.py").write_text("")
    (tmp_path / "docs" / "1msg.md").write_text(
        "## Error codes\n\n```\n# no heading\n```\n\n[meta]: https://example.com\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "see docs/1msg.md#error-codes",
        "see docs/1msg.md",
        "see consumer/onemsg/client.py",
        "see `onemsg/client.py`",
        "[this](docs/1msg.md#error-codes) and [that](https://example.com/a.md#b)",
        "[here](#here)\n# Here",
    ],
)
def test_what_exists_is_no_problem(root: Path, line: str) -> None:
    (root / "page.md").write_text(line)
    assert list(check_references.broken(root / "page.md")) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("see docs/1msg.md#answers", "1msg.md has no heading for #answers"),
        ("see docs/1msg.md#no-heading", "1msg.md has no heading for #no-heading"),
        ("see docs/none.md", "docs/none.md does not exist"),
        ("see ARCHITECTURE.md", "ARCHITECTURE.md does not exist"),
        ("see consumer/onemsg/wire.py", "consumer/onemsg/wire.py does not exist"),
        ("see `onemsg/wire.py`", "onemsg/wire.py does not exist"),
        ("[this](other.md)", "other.md does not exist"),
        ("[this](docs/1msg.md#answers)", "1msg.md has no heading for #answers"),
    ],
)
def test_what_does_not_exist_is_named_with_its_line(root: Path, line: str, problem: str) -> None:
    (root / "page.md").write_text(f"\n{line}\n")
    assert list(check_references.broken(root / "page.md")) == [f"page.md:2: {problem}"]


def test_source_labels_have_to_stand_in_the_document(root: Path) -> None:
    module = root / "consumer" / "onemsg" / "client.py"
    module.write_text('LIMIT = 1  # [meta]\nOTHER = 2  # [nobody]\n"""Of [nobody] too."""\nnames: list[str] = []\n')
    said = "docs/1msg.md has no source [nobody]"
    assert list(check_references.broken(module)) == [
        f"consumer/onemsg/client.py:2: {said}",
        f"consumer/onemsg/client.py:3: {said}",
    ]


def test_repeated_headings_are_numbered(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `key`, two\n## Twice\n## Twice\n### A [link](x.md)\n")
    assert check_references.anchors(page) == {"one-key-two", "twice", "twice-1", "a-link"}
