"""Where secrets may be kept, and that they are never shown."""

from pathlib import Path

import pytest

from consumer.config.loader import ConfigError, read_secret
from consumer.config.types import Secret
from tests.config.config_files import CHANNEL, SMALL, loaded, problems


class TestSecretsInTheFile:
    def test_are_refused_with_advice_and_never_shown(self, file: Path) -> None:
        text = SMALL.lstrip() + CHANNEL.replace("{env: ONEMSG_TOKEN}", "hunter2-token")
        assert problems(file, text) == [
            (
                "lapse.yaml:7: onemsg.token: a secret must not be written in the file: write {env: ONEMSG_TOKEN} and "
                "set that variable, or {file: /path/to/it}"
            )
        ]

    @pytest.mark.parametrize(
        "more",
        [
            "onemsg: {token: hunter2}",
            "onemsg: {token: 12345678}",
            "onemsg: {token: [hunter2]}",
            "onemsg: {token: {value: hunter2}}",
            "onemsg: {token: {hunter2: x}}",
            "onemsg: {token: {env: A, file: hunter2}}",
            "onemsg: {token: *hunter2}",
            "onemsg: {token: !hunter2}",
            "onemsg: {token: 'hunter2}",
            "web: {webhook_secret: hunter2}",
            "web: {api_token: hunter2}",
            "schema_registry: {url: 'http://u:hunter2@registry'}",
            "schema_registry: {url: 'http://registry', password: hunter2}",
            "ledger: {url: 'postgresql+psycopg://lapse:hunter2@db/lapse'}",
            "ledger: {url: 'postgresql+psycopg://db/lapse?user=u&password=hunter2'}",
            "kafka: {client: {sasl.password: hunter2}}",
            "kafka: {client: {ssl.key.pem: hunter2}}",
        ],
    )
    def test_are_refused_at_any_key(self, file: Path, more: str) -> None:
        said = "\n".join(problems(file, SMALL + more))
        assert "hunter2" not in said
        assert "12345678" not in said

    def test_null_means_none(self, file: Path) -> None:
        assert loaded(file, SMALL + "web: {api_token: null}\n").web.api_token is None

    def test_are_refused_even_if_the_environment_overrides_them(self, file: Path) -> None:
        text = SMALL + CHANNEL.replace("{env: ONEMSG_TOKEN}", "hunter2")
        assert len(problems(file, text, LAPSE_ONEMSG__TOKEN="abc")) == 1


class TestReadingASecret:
    @pytest.mark.parametrize("key", ["web.webhook_secret", "web.api_token", "fallback.webhook.secret"])
    def test_that_could_be_guessed_is_refused_and_not_shown(self, key: str) -> None:
        with pytest.raises(ConfigError, match="is shorter than 16 characters") as refused:
            read_secret(Secret(env="S"), key, {"S": "hunter2"})
        assert "hunter2" not in str(refused.value)
        assert read_secret(Secret(env="S"), key, {"S": "a-secret-of-16-c"})

    def test_from_a_variable_or_a_file_is_stripped(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("  abc.def\n")
        assert read_secret(Secret(file=file), "onemsg.token").get_secret_value() == "abc.def"
        assert read_secret(Secret(env="T"), "onemsg.token", {"T": "abc "}).get_secret_value() == "abc"

    @pytest.mark.parametrize("environ", [{}, {"ONEMSG_TOKEN": ""}, {"ONEMSG_TOKEN": " \n"}])
    def test_missing_variable_is_named_with_its_key(self, environ: dict[str, str]) -> None:
        said = "onemsg.token: the environment variable ONEMSG_TOKEN is not set or empty"
        with pytest.raises(ConfigError, match=f"^{said}$"):
            read_secret(Secret(env="ONEMSG_TOKEN"), "onemsg.token", environ)

    def test_missing_variable_is_named_with_its_line_in_the_file(self, file: Path) -> None:
        onemsg = loaded(file, SMALL.lstrip() + CHANNEL).onemsg
        assert onemsg is not None
        with pytest.raises(ConfigError, match=r"/lapse\.yaml:7: onemsg\.token: the environment variable ONEMSG_TOKEN"):
            read_secret(onemsg.token, "onemsg.token", {})

    def test_file_without_end_is_reported(self) -> None:
        with pytest.raises(ConfigError, match=r"^k: cannot read /dev/zero: it has more than 10,000 bytes"):
            read_secret(Secret(file=Path("/dev/zero")), "k", {})

    def test_file_that_a_variable_names_is_reported_with_that_variable(self, file: Path) -> None:
        onemsg = loaded(file, SMALL + CHANNEL, LAPSE_ONEMSG__TOKEN="{file: /gone/token}").onemsg
        assert onemsg is not None
        with pytest.raises(ConfigError, match=r"^LAPSE_ONEMSG__TOKEN: cannot read /gone/token: No such file"):
            read_secret(onemsg.token, "onemsg.token", {})

    @pytest.mark.parametrize("secret", [Secret(env="hunter2"), Secret(env="eyJ.hunter2"), Secret(file=Path("hunter2"))])
    def test_secret_in_place_of_a_variable_name_is_not_shown(self, secret: Secret) -> None:
        with pytest.raises(ConfigError) as raised:
            read_secret(secret, "onemsg.token", {})
        assert "onemsg.token" in str(raised.value)
        assert "hunter2" not in str(raised.value)

    @pytest.mark.parametrize("value", ["hunter2\nX-Evil: 1", "hunter2 x", "hunter2\x00", "hünter2", "\ufeffhunter2"])
    def test_secret_that_no_header_can_contain_is_refused_and_not_shown(self, value: str) -> None:
        with pytest.raises(ConfigError, match=r"onemsg\.token: contains") as raised:
            read_secret(Secret(env="T"), "onemsg.token", {"T": value})
        assert "nter2" not in str(raised.value)

    def test_unreadable_secret_file_is_explained(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"^k: cannot read /.*/gone: No such file or directory$"):
            read_secret(Secret(file=tmp_path / "gone"), "k")
        (tmp_path / "bytes").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match=r"^k: its file is not a text file$"):
            read_secret(Secret(file=tmp_path / "bytes"), "k")
        (tmp_path / "empty").write_text("\n")
        with pytest.raises(ConfigError, match=r"^k: its file is empty$"):
            read_secret(Secret(file=tmp_path / "empty"), "k")
