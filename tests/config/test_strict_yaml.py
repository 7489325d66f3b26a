"""The YAML file itself, and the example that is part of the repository."""

import re
from pathlib import Path
from typing import Any

import pytest

from consumer.config.loader import ConfigError, load
from consumer.config.placeholders import placeholder_problems
from consumer.config.settings import Settings
from tests.config.config_files import SMALL, loaded, problems

EXAMPLE = Path(__file__).parents[2] / "lapse.example.yaml"


class TestTheFileItself:
    def test_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.yaml: this file does not exist: name your file with --config"):
            load(tmp_path / "nowhere.yaml", {})

    def test_must_be_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path, {})

    @pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "---\n"])
    def test_must_not_be_empty(self, file: Path, text: str) -> None:
        assert problems(file, text) == ["lapse.yaml: the file is empty: remove it, and `lapse init` writes one"]

    @pytest.mark.parametrize("text", ["- a\n", "words\n", "7"])
    def test_must_contain_sections(self, file: Path, text: str) -> None:
        assert problems(file, text) == ["lapse.yaml: should contain sections with keys, such as kafka: and processes:"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("kafka: {a: 1\nb: 2\n", "lapse.yaml:2:2: is not valid YAML: expected ',' or '}', but got ':'"),
            ("a: 1\n\tb: 2\n", "lapse.yaml:2:1: is not valid YAML: found character '\\t' that cannot start any token"),
            (
                "a:\n  b: 1\n c: 2\n",
                (
                    "lapse.yaml:3:2: is not valid YAML: expected <block end>, but found '<block mapping start>': "
                    "does this line begin where its neighbours do?"
                ),
            ),
            ("a: b: c\n", "lapse.yaml:1:5: is not valid YAML: mapping values are not allowed here"),
            ("a: 1\n--- \nb: 1\n", "lapse.yaml:2:1: is not valid YAML: but found another document"),
        ],
    )
    def test_invalid_yaml_is_reported_with_line_and_column(self, file: Path, text: str, said: str) -> None:
        assert problems(file, text) == [said]

    def test_must_be_text(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="is not a text file in UTF-8"):
            load(file, {})
        file.write_bytes(b"a: \x00")
        with pytest.raises(ConfigError, match="is not valid YAML: special characters are not allowed at position 3"):
            load(file, {})

    def test_duplicate_key_is_reported(self, file: Path) -> None:
        text = SMALL.lstrip() + "web: {port: 1}\nlog: {}\nweb: {host: h}\n"
        assert problems(file, text) == ["lapse.yaml:6: web occurs twice; the first is on line 4"]

    def test_key_that_yaml_reads_as_a_boolean_is_reported(self, file: Path) -> None:
        text = "processes:\n  on: {action: x, remind_after: [2h]}\n"
        assert problems(file, text) == ['lapse.yaml:2: YAML does not read on as text: write "on"']

    def test_yaml_merge_keys_are_supported(self, file: Path) -> None:
        text = "processes:\n  a: &a {action: x, remind_after: [2h]}\n  b: {<<: *a, action: y}\n"
        processes = loaded(file, text).processes
        assert (processes["b"].action, processes["b"].remind_after) == ("y", processes["a"].remind_after)

    def test_environment_changes_only_one_use_of_an_alias(self, file: Path) -> None:
        text = "processes:\n  a: &a {action: x, remind_after: [2h]}\n  b: *a\n"
        processes = loaded(file, text, LAPSE_PROCESSES__B__ACTION="y").processes
        assert (processes["a"].action, processes["b"].action) == ("x", "y")

    def test_recursive_alias_is_reported(self, file: Path) -> None:
        assert problems(file, "processes: &a {b: *a}\n") == [
            "lapse.yaml: a value contains itself, or values are nested too deeply"
        ]

    def test_aliases_of_aliases_are_reported(self, file: Path) -> None:
        text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
        assert problems(file, text) == ["lapse.yaml: holds more than 100,000 values: is an alias used in an alias?"]

    def test_file_without_end_is_reported(self) -> None:
        with pytest.raises(ConfigError, match=r"cannot be read: it has more than 1,000,000 bytes: is it the right"):
            load(Path("/dev/zero"), {})


class TestTheExample:
    def uncommented(self) -> str:
        return re.sub(r"^( *)# (?= *[a-z_]+:)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)

    def test_example_loads(self) -> None:
        assert list(load(EXAMPLE, {}).processes) == ["account-setup", "checkout", "document-upload"]

    def test_example_says_which_values_were_not_filled_in(self) -> None:
        settings = load(EXAMPLE, {})
        missing = [problem.split(":")[0] for problem in placeholder_problems(settings)]
        assert missing == ["onemsg.channel_id", "onemsg.template.namespace"]
        assert placeholder_problems(settings, {"detect"}) == []

    def test_example_shows_every_key(self, file: Path) -> None:
        settings = loaded(file, self.uncommented())
        for name, section in settings:
            if name != "processes":
                missing = set(type(section).model_fields) - section.model_fields_set
                assert not missing, f"{name} lacks {missing}"

    def test_example_comments_out_only_defaults(self, file: Path) -> None:
        def plain(settings: Settings) -> dict[str, Any]:
            return settings.model_dump(
                exclude={"schema_registry": True, "fallback": True, "processes": True, "prices": True}
                | {"web": {"api_token", "other_webhook_secret"}}
            )

        assert plain(loaded(file, self.uncommented())) == plain(loaded(file, EXAMPLE.read_text()))
