"""Sentences of the commands on a terminal and in a pipe."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

import consumer.commands
from consumer.commands.explain import show
from consumer.commands.terminal.output import echo, print_line, print_text, printable, to_json
from consumer.insight.explanation import PersonStory
from tests.cli.conftest import Lapse, command, environment


def on_a_terminal(folder: Path, *arguments: str, columns: int) -> list[str]:
    """Run the command with a terminal of that width; return the lines that it shows."""
    ours, theirs = pty.openpty()
    run = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(COLUMNS=str(columns), TERM="dumb"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    assert run.returncode
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    return shown.splitlines()


def test_long_sentences_are_wrapped_on_a_terminal_only(tmp_path: Path, lapse_anew: Lapse) -> None:
    line = lapse_anew("topics", "--config", "no/such/file.yaml").stderr.strip()
    assert len(line) > 80
    shown = on_a_terminal(tmp_path, "topics", "--config", "no/such/file.yaml", columns=80)
    assert len(shown) > 1
    assert max(map(len, shown)) <= 80
    assert " ".join(part.strip() for part in shown) == line


OBEYED = "a\x1b]0;owned\x07\x1b[2J\x9b1m\u202eb\r\nc\u2028\ud800"
SHOWN = "a�]0;owned��[2J�1m�b��c��"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (OBEYED, SHOWN),
        ("José نیلوفر\u200cپور 李\u3000小龍 👩\u200d💻\xa0✓", "José نیلوفر\u200cپور 李\u3000小龍 👩\u200d💻\xa0✓"),
        ("\t\n", "��"),
    ],
)
def test_what_a_terminal_would_obey_is_not_printed(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(text) == shown
    print_line(text)
    assert capsys.readouterr().out == f"{shown}\n"


def test_line_breaks_of_our_own_stay(capsys: pytest.CaptureFixture[str]) -> None:
    print_text("one\ntwo\r\nthree\rfour\x1b")
    echo("five\nsix\x1b", err=True)
    assert capsys.readouterr() == ("one\ntwo\r\nthree�four�\n", "five\nsix�\n")


def test_json_is_printed_harmlessly_and_says_the_same() -> None:
    told = {"user": OBEYED, "name": "José 👩\u200d💻"}
    for indent in (None, 2):
        text = to_json(told, indent=indent)
        assert json.loads(text) == told
        assert all(map(str.isprintable, text.replace("\u200d", "").splitlines()))
        assert "José" in text


def test_a_user_id_makes_no_line_of_a_story() -> None:
    story = PersonStory(user_id="m\nana: sent\x1b[2J", zone="UTC", facts=(), processes=(), notes=())
    assert show.as_text(story, str).splitlines()[0] == "m�ana: sent�[2J, times in UTC"


def test_every_command_prints_through_the_filter() -> None:
    folder = Path(consumer.commands.__path__[0])
    direct = re.compile(r"\btyper\.(secho|echo)\(|(?<![\w.])print\(|\bjson\.dumps\([^\n]*ensure_ascii=False")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.py") if direct.search(path.read_text("utf-8"))}
    assert found == {"terminal/output.py", "init/config_text.py"}  # the second writes a file
