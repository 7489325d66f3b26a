"""From a file and the environment to settings."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.config import Secret, Settings
from consumer.config_file import ConfigError, load, read_secret

EXAMPLE = Path(__file__).parents[2] / "lapse.example.yaml"

SMALL = """
processes:
  checkout: {action: your order, remind_after: [2h]}
  account-setup: {action: account setup, remind_after: [24h, 72h]}
"""
CHANNEL = """
onemsg:
  channel_id: CH1
  token: {env: ONEMSG_TOKEN}
  template: {namespace: ns}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lapse.yaml"


def loaded(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text)
    return load(file, environ)


def problems(file: Path, text: str, **environ: str) -> list[str]:
    """What is said of it, without the file's folder."""
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, environ)
    return [line.replace(f"{file.parent}/", "") for line in raised.value.problems]


def test_a_file_with_nothing_but_processes_is_enough(file: Path) -> None:
    settings = loaded(file, SMALL)
    assert settings.processes["account-setup"].remind_after == (timedelta(days=1), timedelta(days=3))
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.onemsg is None


def test_a_section_whose_keys_are_all_commented_out_says_nothing(file: Path) -> None:
    assert loaded(file, SMALL + "kafka:\n  # group_prefix: x\nonemsg:\n").kafka.group_prefix == "lapse"


class TestTheEnvironment:
    def test_wins_over_the_file(self, file: Path) -> None:
        text = SMALL + "kafka: {bootstrap_servers: file:1, group_prefix: mine}"
        kafka = loaded(file, text, LAPSE_KAFKA__BOOTSTRAP_SERVERS="env:2").kafka
        assert (kafka.bootstrap_servers, kafka.group_prefix) == ("env:2", "mine")

    def test_does_not_care_for_upper_and_lower_case(self, file: Path) -> None:
        assert loaded(file, SMALL, lapse_web__PORT="9").web.port == 9

    def test_reaches_a_process_by_its_name_with_underscores(self, file: Path) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__ACCOUNT_SETUP__ACTION="your account")
        assert settings.processes["account-setup"].action == "your account"
        assert len(settings.processes) == 2

    @pytest.mark.parametrize("text", ["1h,3h", "[1h, 3h]", '["1h", "3h"]', "1h, 3h"])
    def test_gives_a_list_in_any_usual_way(self, file: Path, text: str) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER=text)
        assert settings.processes["checkout"].remind_after == (timedelta(hours=1), timedelta(hours=3))

    def test_gives_a_whole_section_and_then_one_of_its_keys(self, file: Path) -> None:
        web = loaded(file, SMALL, LAPSE_WEB='{"port": 1, "host": "h"}', LAPSE_WEB__PORT="2").web
        assert (web.host, web.port) == ("h", 2)

    def test_gives_a_whole_process(self, file: Path) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__KYC="{action: your papers, remind_after: [2d]}")
        assert settings.processes["kyc"].action == "your papers"

    def test_takes_a_limit_away_with_null(self, file: Path) -> None:
        onemsg = loaded(file, SMALL + CHANNEL, LAPSE_ONEMSG__RATE="null").onemsg
        assert onemsg is not None
        assert onemsg.rate is None

    def test_keeps_digits_text_where_text_belongs(self, file: Path) -> None:
        onemsg = loaded(file, SMALL + CHANNEL, LAPSE_ONEMSG__CHANNEL_ID="359900").onemsg
        assert onemsg is not None
        assert onemsg.channel_id == "359900"

    def test_writes_the_dots_of_librdkafka_as_underscores(self, file: Path) -> None:
        text = SMALL + "kafka: {client: {security.protocol: PLAINTEXT}}"
        settings = loaded(
            file, text, LAPSE_KAFKA__CLIENT__SECURITY_PROTOCOL="SSL", LAPSE_KAFKA__CLIENT__SASL_PASSWORD="pw"
        )
        assert settings.kafka.client == {"security.protocol": "SSL", "sasl.password": "pw"}

    def test_may_carry_a_secret_or_say_where_it_is(self, file: Path) -> None:
        def token(**environ: str) -> Secret:
            onemsg = loaded(file, SMALL + CHANNEL, **environ).onemsg
            assert onemsg is not None
            return onemsg.token

        assert read_secret(token(LAPSE_ONEMSG__TOKEN="abc"), "k").get_secret_value() == "abc"
        assert token(LAPSE_ONEMSG__TOKEN='{"file": "/x"}') == Secret(file=Path("/x"))
        assert token(LAPSE_ONEMSG__TOKEN__FILE="/x") == Secret(file=Path("/x"))
        assert "abc" not in repr(token(LAPSE_ONEMSG__TOKEN="abc"))

    def test_may_hold_more_of_lapse_than_settings(self, file: Path) -> None:
        # The second and third are what Kubernetes sets beside services called lapse and lapse-web.
        loaded(
            file,
            SMALL + "web: {webhook_secret: {env: LAPSE_WEB_WEBHOOK_SECRET}}",
            LAPSE_CONFIG="lapse.yaml",
            LAPSE_PORT="tcp://10.0.0.1:80",
            LAPSE_WEB_PORT="tcp://10.0.0.1:80",
            LAPSE_TEST_BOOTSTRAP="localhost:1",
            LAPSE_WEB_WEBHOOK_SECRET="s",
        )


def test_mistakes_are_told_all_at_once_with_their_lines(file: Path) -> None:
    advice = "write {env: ONEMSG_TOKEN} and set that variable, or {file: /path/to/it}"
    text = """\
kafka: {bootstrap_server: a:1}
procesess: {}
processes:
  checkout: {action: your order, remind_afer: [2h]}
  account-setup: {action: account setup, remind_after: [24]}
onemsg: {channel_id: CH1, template: {namespace: n}, timeout: 10}
timezone: UTC
"""
    assert problems(file, text) == [
        "lapse.yaml:1: kafka.bootstrap_server: unknown key; did you mean bootstrap_servers?",
        "lapse.yaml:4: processes.checkout.remind_afer: unknown key; did you mean remind_after?",
        "lapse.yaml:5: processes.account-setup.remind_after[0]: a duration needs a unit: write 90s, 15m, 24h or 7d",
        f"lapse.yaml:6: onemsg.token: is missing: {advice}",
        "lapse.yaml:6: onemsg.timeout: a duration needs a unit: write 90s, 15m, 24h or 7d",
        "lapse.yaml:2: procesess: unknown key; did you mean processes?",
        "lapse.yaml:7: timezone: unknown key here; did you mean policy.timezone?",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("web: {port: eighty}", "lapse.yaml:5: web.port: should be a whole number"),
        ("web: {port: 99999}", "lapse.yaml:5: web.port: should be less than or equal to 65535"),
        (
            "web: 8080",
            (
                "lapse.yaml:5: web: needs keys of its own: host, port, public_url, webhook_secret, "
                "api_token, register_webhook"
            ),
        ),
        ("log: {level: loud}", "lapse.yaml:5: log.level: should be 'debug', 'info', 'warning' or 'error'"),
        ("policy: {require_opt_in: perhaps}", "lapse.yaml:5: policy.require_opt_in: should be true or false"),
        (
            "policy: {timezone: Madrid}",
            ("lapse.yaml:5: policy.timezone: 'Madrid' is no time zone: write a name such as Europe/Madrid"),
        ),
        (
            "tracking: {poll_after: 9999999999999999999999d}",
            ("lapse.yaml:5: tracking.poll_after: a duration may be a hundred years at most"),
        ),
        (
            "schema_registry: {url: registry:8081}",
            "lapse.yaml:5: schema_registry.url: is no address: write it like https://example.com",
        ),
        (
            "web: {public_url: 'https://me@lapse.example.com'}",
            "lapse.yaml:5: web.public_url: write the address alone: users, passwords and tokens have keys of their own",
        ),
        (
            "onemsg: {channel_id: https://api.1msg.io/CH1, token: {env: T}, template: {namespace: n}}",
            (
                "lapse.yaml:5: onemsg.channel_id: write the channel's id alone: "
                "the part of its 1MSG address behind the host"
            ),
        ),
        (
            "ledger: {url: 'postgresql://db/lapse'}",
            "lapse.yaml:5: ledger.url: write sqlite:///lapse.db, or postgresql+psycopg://… for several replicas",
        ),
        ("kafka: {client: {a: {b: 1}}}", "lapse.yaml:5: kafka.client.a: should be text: put it in quotes"),
        (
            "topics: {colour: red}",
            (
                "lapse.yaml:5: topics.colour: unknown key; known here: contacts, reminders, "
                "delivery_status, opt_outs, dead_letters, state, create, replication"
            ),
        ),
        (
            "detect: {forget_after: 1d}",
            (
                "lapse.yaml: detect.forget_after (1 day, 0:00:00) must be longer than the "
                "longest remind_after + policy.expire_after + detect.allowed_lateness (6 days, 0:00:30): "
                "a user must not be forgotten while a reminder may still be due"
            ),
        ),
    ],
)
def test_a_mistake_is_explained(file: Path, more: str, said: str) -> None:
    assert problems(file, SMALL.lstrip() + "\n" + more) == [said]


def test_a_ladder_that_falls_or_is_no_list_is_explained(file: Path) -> None:
    text = "processes:\n  a: {action: x, remind_after: 24h}\n  b: {action: x, remind_after: [2h, 1h]}\n"
    assert problems(file, text) == [
        "lapse.yaml:2: processes.a.remind_after: should be a list, such as [24h, 72h]",
        "lapse.yaml:3: processes.b: remind_after must rise: each step is counted from when the user was last seen",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LAPSE_KAFAK__X", "1", "kafak: unknown key; did you mean kafka?"),
        ("LAPSE_KAFKA__BOOTSTRAP_SERVER", "1", "bootstrap_server: unknown key; did you mean bootstrap_servers?"),
        (
            "LAPSE_KAFKA_BOOTSTRAP_SERVERS",
            "a:1",
            ("did you mean LAPSE_KAFKA__BOOTSTRAP_SERVERS? Two underscores part a section from a key"),
        ),
        ("LAPSE_PROCESSES__CHEKOUT__ACTION", "x", "processes has no chekout; did you mean checkout?"),
        ("LAPSE_PROCESSES__CHECKOUT__REMIND_AFER", "2h", "remind_afer: unknown key; did you mean remind_after?"),
        (
            "LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER__0",
            "2h",
            ("processes.checkout.remind_after takes no keys of its own: set it as a whole"),
        ),
        ("LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER", "24", "[0]: a duration needs a unit: write 90s, 15m, 24h or 7d"),
        ("LAPSE_WEB", "{port: 1", "can be read neither as JSON nor as YAML"),
        ("LAPSE_WEB", "{port: 1, port: 2}", "can be read neither as JSON nor as YAML"),
        ("LAPSE_WEB", "{prt: 1}", "prt: unknown key; did you mean port?"),
        ("LAPSE_WEB__PORT", "", "should be a whole number"),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_its_name(file: Path, variable: str, value: str, said: str) -> None:
    assert problems(file, SMALL, **{variable: value}) == [f"{variable}: {said}"]


class TestSecretsInTheFile:
    def test_are_refused_by_what_to_write_instead_and_never_shown(self, file: Path) -> None:
        text = SMALL.lstrip() + CHANNEL.replace("{env: ONEMSG_TOKEN}", "hunter2-token")
        assert problems(file, text) == [
            (
                "lapse.yaml:7: onemsg.token: a secret must not stand in the file: write {env: ONEMSG_TOKEN} and "
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
    def test_are_refused_wherever_they_stand(self, file: Path, more: str) -> None:
        said = "\n".join(problems(file, SMALL + more))
        assert "hunter2" not in said
        assert "12345678" not in said

    def test_are_refused_even_where_the_environment_has_another(self, file: Path) -> None:
        text = SMALL + CHANNEL.replace("{env: ONEMSG_TOKEN}", "hunter2")
        assert len(problems(file, text, LAPSE_ONEMSG__TOKEN="abc")) == 1


class TestTheFileItself:
    def test_has_to_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file: name another with --config"):
            load(tmp_path / "nowhere.yaml", {})

    def test_has_to_be_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path, {})

    @pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "---\n"])
    def test_is_not_empty(self, file: Path, text: str) -> None:
        assert problems(file, text) == ["lapse.yaml: the file is empty: start from lapse.example.yaml"]

    @pytest.mark.parametrize("text", ["- a\n", "words\n", "7"])
    def test_is_made_of_sections(self, file: Path, text: str) -> None:
        assert problems(file, text) == ["lapse.yaml: should be sections with keys, such as kafka: and processes:"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("kafka: {a: 1\nb: 2\n", "lapse.yaml:2:2: no valid YAML: expected ',' or '}', but got ':'"),
            ("a: 1\n\tb: 2\n", "lapse.yaml:2:1: no valid YAML: found character '\\t' that cannot start any token"),
            ("a: b: c\n", "lapse.yaml:1:5: no valid YAML: mapping values are not allowed here"),
            ("a: 1\n--- \nb: 1\n", "lapse.yaml:2:1: no valid YAML: but found another document"),
        ],
    )
    def test_is_yaml_or_the_line_and_column_are_told(self, file: Path, text: str, said: str) -> None:
        assert problems(file, text) == [said]

    def test_is_text(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="is not UTF-8 text"):
            load(file, {})
        file.write_bytes(b"a: \x00")
        with pytest.raises(ConfigError, match="no valid YAML: special characters are not allowed at position 3"):
            load(file, {})

    def test_has_each_key_once(self, file: Path) -> None:
        text = SMALL.lstrip() + "web: {port: 1}\nlog: {}\nweb: {host: h}\n"
        assert problems(file, text) == ["lapse.yaml:6: web is there twice, first on line 4"]

    def test_has_keys_that_yaml_reads_as_text(self, file: Path) -> None:
        text = "processes:\n  on: {action: x, remind_after: [2h]}\n"
        assert problems(file, text) == ['lapse.yaml:2: to YAML on is no text: write "on"']

    def test_may_share_values_by_yaml_merging(self, file: Path) -> None:
        text = "processes:\n  a: &a {action: x, remind_after: [2h]}\n  b: {<<: *a, action: y}\n"
        processes = loaded(file, text).processes
        assert (processes["b"].action, processes["b"].remind_after) == ("y", processes["a"].remind_after)

    def test_may_contain_itself_without_harm(self, file: Path) -> None:
        assert problems(file, "processes: &a {b: *a}\n") == [
            "lapse.yaml: a value contains itself, or too many others within each other"
        ]


class TestReadingASecret:
    def test_from_a_variable_or_a_file_without_the_white_space_around_it(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("  abc.def\n")
        assert read_secret(Secret(file=file), "onemsg.token").get_secret_value() == "abc.def"
        assert read_secret(Secret(env="T"), "onemsg.token", {"T": "abc "}).get_secret_value() == "abc"

    @pytest.mark.parametrize("environ", [{}, {"ONEMSG_TOKEN": ""}, {"ONEMSG_TOKEN": " \n"}])
    def test_that_is_not_set_is_told_by_key_and_variable(self, environ: dict[str, str]) -> None:
        said = "onemsg.token: the environment variable ONEMSG_TOKEN is not set, or empty"
        with pytest.raises(ConfigError, match=f"^{said}$"):
            read_secret(Secret(env="ONEMSG_TOKEN"), "onemsg.token", environ)

    @pytest.mark.parametrize("secret", [Secret(env="hunter2"), Secret(env="eyJ.hunter2"), Secret(file=Path("hunter2"))])
    def test_that_stands_where_its_place_belongs_is_not_shown(self, secret: Secret) -> None:
        with pytest.raises(ConfigError) as raised:
            read_secret(secret, "onemsg.token", {})
        assert "onemsg.token" in str(raised.value)
        assert "hunter2" not in str(raised.value)

    @pytest.mark.parametrize("value", ["hunter2\nX-Evil: 1", "hunter2 x", "hunter2\x00", "hünter2", "\ufeffhunter2"])
    def test_that_no_header_can_carry_is_refused_and_not_shown(self, value: str) -> None:
        with pytest.raises(ConfigError, match=r"onemsg\.token: holds") as raised:
            read_secret(Secret(env="T"), "onemsg.token", {"T": value})
        assert "nter2" not in str(raised.value)

    def test_from_a_file_that_cannot_be_read_says_why(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"^k: cannot read /.*/gone: No such file or directory$"):
            read_secret(Secret(file=tmp_path / "gone"), "k")
        (tmp_path / "bytes").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match=r"^k: its file is not text$"):
            read_secret(Secret(file=tmp_path / "bytes"), "k")
        (tmp_path / "empty").write_text("\n")
        with pytest.raises(ConfigError, match=r"^k: is empty$"):
            read_secret(Secret(file=tmp_path / "empty"), "k")


class TestTheExample:
    def uncommented(self) -> str:
        return re.sub(r"^( *)# (?= *[a-z_]+:)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)

    def test_loads_as_it_is(self) -> None:
        assert list(load(EXAMPLE, {}).processes) == ["account-setup", "checkout", "document-upload"]

    def test_shows_every_key_there_is(self, file: Path) -> None:
        settings = loaded(file, self.uncommented())
        for name, section in settings:
            if name != "processes":
                missing = set(type(section).model_fields) - section.model_fields_set
                assert not missing, f"{name} lacks {missing}"

    def test_comments_out_nothing_but_defaults(self, file: Path) -> None:
        def plain(settings: Settings) -> dict[str, Any]:
            return settings.model_dump(exclude={"schema_registry": True, "web": {"api_token"}, "processes": True})

        assert plain(loaded(file, self.uncommented())) == plain(load(EXAMPLE, {}))
