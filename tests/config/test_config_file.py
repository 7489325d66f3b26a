"""From a file to settings, and the explanations of mistakes."""

from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest

from consumer.config.settings import Settings
from consumer.deliver.policy.message_plan import MessagePlan, message_plans
from tests.config.config_files import CHANNEL, SMALL, loaded, problems


def test_processes_alone_are_enough(file: Path) -> None:
    settings = loaded(file, SMALL)
    assert settings.processes["account-setup"].remind_after == (timedelta(days=1), timedelta(days=3))
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.onemsg is None


def test_section_with_all_keys_commented_out_is_ignored(file: Path) -> None:
    assert loaded(file, SMALL + "kafka:\n  # group_prefix: x\nonemsg:\n").kafka.group_prefix == "lapse"


def test_all_mistakes_are_reported_at_once_with_lines(file: Path) -> None:
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
        "lapse.yaml:2: procesess: unknown key; did you mean processes?",
        "lapse.yaml:4: processes.checkout.remind_afer: unknown key; did you mean remind_after?",
        "lapse.yaml:5: processes.account-setup.remind_after[0]: a duration needs a unit: write 90s, 15m, 24h or 7d",
        f"lapse.yaml:6: onemsg.token: is missing: {advice}",
        "lapse.yaml:6: onemsg.timeout: a duration needs a unit: write 90s, 15m, 24h or 7d",
        "lapse.yaml:7: timezone: unknown key here; did you mean source.timezone or policy.timezone?",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("web: {port: eighty}", "lapse.yaml:5: web.port: should be a whole number"),
        (
            "web: {port: 8080, public: {port: 8080}}",
            "lapse.yaml:5: web: public must have another port than `port`: the webhook alone is served there",
        ),
        ("web: {port: 99999}", "lapse.yaml:5: web.port: should be less than or equal to 65535"),
        ("detect: {clock_doubt: 2d}", "lapse.yaml:5: detect.clock_doubt: should be less than or equal to 12h"),
        ("detect: {brake: {window: 1s}}", "lapse.yaml:5: detect.brake.window: should be greater than or equal to 10s"),
        (
            "web: 8080",
            (
                "lapse.yaml:5: web: should contain keys: host, port, public, public_url, webhook_secret, "
                "other_webhook_secret, api_token, register_webhook"
            ),
        ),
        ("log: {level: loud}", "lapse.yaml:5: log.level: should be 'debug', 'info', 'warning' or 'error'"),
        ("policy: {require_opt_in: perhaps}", "lapse.yaml:5: policy.require_opt_in: should be true or false"),
        (
            "policy: {timezone: Madrid}",
            ("lapse.yaml:5: policy.timezone: 'Madrid' is not a time zone: write a name such as Europe/Madrid"),
        ),
        (
            "tracking: {poll_after: 9999999999999999999999d}",
            ("lapse.yaml:5: tracking.poll_after: a duration may be at most a hundred years"),
        ),
        (
            "schema_registry: {url: registry:8081}",
            "lapse.yaml:5: schema_registry.url: is not an address: write it like https://example.com",
        ),
        (
            "web: {public_url: 'https://me@lapse.example.com'}",
            "lapse.yaml:5: web.public_url: write only the address: user, password and token have their own keys",
        ),
        (
            "onemsg: {channel_id: https://api.1msg.io/CH1, token: {env: T}, template: {namespace: n}}",
            (
                "lapse.yaml:5: onemsg.channel_id: write only the channel's id: "
                "the part of its 1MSG address after the host"
            ),
        ),
        (
            "ledger: {url: 'postgresql://db/lapse'}",
            "lapse.yaml:5: ledger.url: write sqlite:///lapse.db, or for several replicas postgresql+psycopg://…",
        ),
        (
            "kafka: {client: {plugin.library.paths: /x.so}}",
            (
                "lapse.yaml:5: kafka.client: remove plugin.library.paths: "
                "it would run what lies in another file, or a command"
            ),
        ),
        (
            "schema_registry: {url: 'http://registry.example.com', token: {env: T}}",
            (
                "lapse.yaml:5: schema_registry: url is not encrypted, so that others could read the secret on its way: "
                "write https://"
            ),
        ),
        ("kafka: {client: {a: {b: 1}}}", "lapse.yaml:5: kafka.client.a: should be text"),
        (
            "kafka: {group_prefix: }",
            "lapse.yaml:5: kafka.group_prefix: has no value: write one, or remove the key",
        ),
        (
            "topics: {colour: red}",
            (
                "lapse.yaml:5: topics.colour: unknown key; allowed here: contacts, reminders, "
                "delivery_status, opt_outs, dead_letters, state, state_key, create, replication"
            ),
        ),
        (
            "detect: {forget_after: 1d}",
            (
                "lapse.yaml: detect.forget_after (1d) must be longer than the "
                "longest remind_after + policy.expire_after + detect.allowed_lateness (6d30s): "
                "a user must not be forgotten while a reminder may still be due"
            ),
        ),
    ],
)
def test_mistake_is_explained(file: Path, more: str, said: str) -> None:
    assert problems(file, SMALL.lstrip() + "\n" + more) == [said]


TOPICS = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")


@pytest.mark.parametrize(("one", "other"), list(combinations(["source", *TOPICS], 2)))
def test_two_topics_may_not_have_one_name(file: Path, one: str, other: str) -> None:
    first = "source: {topic: same}" if one == "source" else ""
    names = ", ".join(f"{key}: same" for key in (one, other) if key != "source")
    keys = f"topics.{other} and {'source.topic' if one == 'source' else f'topics.{one}'}"
    [told] = problems(file, SMALL + f"{first}\ntopics: {{{names}}}\n")
    assert told.startswith(f"lapse.yaml: {keys} are both 'same'")


@pytest.mark.parametrize("name", ["^user.*", "user activity", "'user-activity '", "''", "..", "a" * 250, "\u00fcbung"])
def test_what_cannot_be_a_topic_is_refused(file: Path, name: str) -> None:
    """A client that subscribes to ^user.* reads every topic that begins so."""
    for key in ("source: {topic", "topics: {state", "topics: {contacts"):
        [told] = problems(file, SMALL + f"{key}: {name}}}\n")
        assert "is no name of a topic: those have letters, digits, dots, hyphens, underscores" in told


def test_default_names_count_when_topics_are_compared(file: Path) -> None:
    """The state topic's default is made of the group prefix."""
    [told] = problems(file, SMALL + "source: {topic: a-state}\nkafka: {group_prefix: a}\n")
    assert told.startswith("lapse.yaml: topics.state and source.topic are both 'a-state'")
    [told] = problems(file, SMALL + "topics: {dead_letters: user-activity}\n")
    assert told.startswith("lapse.yaml: topics.dead_letters and source.topic are both 'user-activity'")


def test_remind_after_must_be_an_increasing_list(file: Path) -> None:
    text = "processes:\n  a: {action: x, remind_after: 24h}\n  b: {action: x, remind_after: [2h, 1h]}\n"
    assert problems(file, text) == [
        "lapse.yaml:2: processes.a.remind_after: should be a list in brackets, such as [a, b]",
        "lapse.yaml:3: processes.b: remind_after must increase: each step is counted from the user's last activity",
    ]


@pytest.mark.parametrize("key", ["plugin.library.paths", "ssl.engine.location", "ssl.engine.id", "ssl.providers"])
def test_no_setting_of_the_client_runs_code(file: Path, key: str) -> None:
    for refused in (key, "sasl.kerberos.kinit.cmd"):
        [told] = problems(file, SMALL + f"kafka: {{client: {{sasl.mechanism: PLAIN, {refused}: /x}}}}\n")
        assert told.endswith(f"remove {refused}: it would run what lies in another file, or a command")
    [told] = problems(file, SMALL, LAPSE_KAFKA__CLIENT__PLUGIN_LIBRARY_PATHS="/x.so")
    assert "remove plugin.library.paths" in told


@pytest.mark.parametrize(
    "host", ["api.example.com", "8.8.8.8", "134744072", "0x8080808", "8.526344", "[2606:4700::1]", "notlocal.com"]
)
def test_no_token_is_sent_unencrypted_to_where_others_could_read_it(file: Path, host: str) -> None:
    [told] = problems(file, SMALL + CHANNEL + f'  base_url: "http://{host}:8080"\n')
    assert told.endswith(
        "onemsg.base_url: is not encrypted, so that others could read the secret on its way: write https://"
    )
    assert loaded(file, SMALL + CHANNEL + f'  base_url: "https://{host}:8080"\n')
    assert loaded(file, SMALL + f'schema_registry: {{url: "http://{host}:8080"}}\n'), "nothing secret is sent there"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "sandbox", "10.1.2.3", "registry.kafka.svc", "a.svc.cluster.local"]
)
def test_inside_the_own_network_a_token_may_be_sent_unencrypted(file: Path, host: str) -> None:
    url = f'"http://{host}:8080"'
    assert loaded(file, SMALL + CHANNEL + f"  base_url: {url}\nschema_registry: {{url: {url}, token: {{env: T}}}}\n")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LAPSE_KAFAK__X", "1", "kafak: unknown key; did you mean kafka?"),
        ("LAPSE_KAFKA__BOOTSTRAP_SERVER", "1", "bootstrap_server: unknown key; did you mean bootstrap_servers?"),
        (
            "LAPSE_KAFKA_BOOTSTRAP_SERVERS",
            "a:1",
            ("did you mean LAPSE_KAFKA__BOOTSTRAP_SERVERS? Two underscores separate a section from its key"),
        ),
        ("LAPSE_PROCESSES__CHEKOUT__ACTION", "x", "processes has no chekout; did you mean checkout?"),
        ("LAPSE_PROCESSES__CHECKOUT__REMIND_AFER", "2h", "remind_afer: unknown key; did you mean remind_after?"),
        (
            "LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER__0",
            "2h",
            ("processes.checkout.remind_after contains no keys: set it as a whole"),
        ),
        ("LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER", "24", "[0]: a duration needs a unit: write 90s, 15m, 24h or 7d"),
        ("LAPSE_WEB", "{port: 1", "is neither JSON nor YAML"),
        ("LAPSE_WEB", "{port: 1, port: 2}", "is neither JSON nor YAML"),
        ("LAPSE_WEB", "{prt: 1}", "prt: unknown key; did you mean port?"),
        ("LAPSE_WEB__PORT", "", "should be a whole number"),
    ],
)
def test_mistake_in_a_variable_names_the_variable(file: Path, variable: str, value: str, said: str) -> None:
    assert problems(file, SMALL, **{variable: value}) == [f"{variable}: {said}"]


class TestTheTemplatesLanguages:
    LANGUAGES = CHANNEL.replace("{namespace: ns}", "{namespace: ns, language: en, languages: [es, pt_BR]}")

    def test_action_has_a_text_for_each_language(self, file: Path) -> None:
        text = "processes:\n  checkout: {action: {default: your order, es: tu pedido}, remind_after: [2h]}\n"
        plan = plans_of(loaded(file, text + self.LANGUAGES))["checkout"]
        assert [(w.language, w.action) for w in plan.all_variants()] == [
            ("en", "your order"),
            ("es", "tu pedido"),
            ("pt_BR", "your order"),
        ]

    def test_text_for_a_language_serves_all_its_countries(self, file: Path) -> None:
        text = "processes:\n  checkout: {action: {en: your order, pt: seu pedido}, remind_after: [2h]}\n"
        plan = plans_of(loaded(file, text + self.LANGUAGES))["checkout"]
        assert {w.language: w.action for w in plan.all_variants()} == {
            "en": "your order",
            "es": "your order",
            "pt_BR": "seu pedido",
        }

    def test_process_may_have_its_own_languages(self, file: Path) -> None:
        text = (
            "processes:\n  checkout:\n    action: tu pedido\n    remind_after: [2h]\n"
            "    template: {name: order_waiting, language: es, languages: []}\n"
        )
        plan = plans_of(loaded(file, text + self.LANGUAGES))["checkout"]
        assert [(w.template, w.namespace, w.language) for w in plan.all_variants()] == [("order_waiting", "ns", "es")]

    def test_action_by_language_can_be_set_by_environment(self, file: Path) -> None:
        name, words = "LAPSE_PROCESSES__CHECKOUT__ACTION", '{"default": "your cart", "es": "tu cesta"}'
        settings = loaded(file, SMALL + self.LANGUAGES, **{name: words})
        assert settings.processes["checkout"].action == {"default": "your cart", "es": "tu cesta"}
        assert loaded(file, SMALL, **{name: "yes: your cart"}).processes["checkout"].action == "yes: your cart"

    @pytest.mark.parametrize(
        ("action", "said"),
        [
            ("[your order]", "write a text, or one for each language"),
            ("7", "write a text, or one for each language"),
            ("' '", "write a text, or one for each language"),
            ("{}", "write a text, or one for each language"),
            ("{default: ''}", "write a text, or one for each language"),
            ("{es: [x]}", "write a text, or one for each language"),
        ],
    )
    def test_invalid_action_is_refused(self, file: Path, action: str, said: str) -> None:
        [problem] = problems(file, f"processes:\n  checkout: {{action: {action}, remind_after: [2h]}}\n")
        assert problem.startswith(f"lapse.yaml:2: processes.checkout.action: {said}")

    @pytest.mark.parametrize(
        ("action", "said"),
        [
            ("{default: x, fr: y}", "fr is not among the template's languages (en, es, pt_BR)"),
            ("{es: y}", "has no text in en, the template's language: add one, or a default"),
        ],
    )
    def test_action_must_match_the_templates_languages(self, file: Path, action: str, said: str) -> None:
        text = f"processes:\n  checkout: {{action: {action}, remind_after: [2h]}}\n"
        [problem] = problems(file, text + self.LANGUAGES)
        assert f"processes.checkout.action: {said}" in problem

    @pytest.mark.parametrize(
        ("language", "said"),
        [("pt-BR", "write pt_BR"), ("PT_br.UTF-8", "write pt_BR"), ("Spanish", "write it as 1MSG shows it")],
    )
    def test_language_must_be_written_as_1msg_shows_it(self, file: Path, language: str, said: str) -> None:
        text = SMALL + CHANNEL.replace("{namespace: ns}", f"{{namespace: ns, languages: [es, {language}]}}")
        [problem] = problems(file, text)
        assert problem.startswith("lapse.yaml:9: onemsg.template.languages[1]: is not a template's language: " + said)


def plans_of(settings: Settings) -> dict[str, MessagePlan]:
    assert settings.onemsg is not None
    return message_plans(settings.processes, settings.onemsg.template)


@pytest.mark.parametrize("more", ["", "ledger: {}\n", "ledger: {url: sqlite:///lapse.db}\n"])
def test_ledger_file_counts_from_the_folder_of_the_configuration(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, more: str
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert loaded(file, SMALL + more).ledger.url == f"sqlite:///{file.parent}/lapse.db"


def test_relative_files_count_from_the_folder_of_the_configuration(file: Path) -> None:
    more = "source: {topic: t, schemas: [a.avsc, /b.avsc]}\nweb: {api_token: {file: token}}\n"
    settings = loaded(file, SMALL + more)
    assert settings.source.schemas == (file.parent / "a.avsc", Path("/b.avsc"))
    assert settings.web.api_token is not None
    assert settings.web.api_token.file == file.parent / "token"


@pytest.mark.parametrize("url", ["sqlite:////var/lib/lapse.db", "postgresql+psycopg://lapse@db/lapse"])
def test_other_ledger_urls_stay_as_they_are(file: Path, url: str) -> None:
    assert loaded(file, SMALL + f'ledger: {{url: "{url}"}}\n').ledger.url == url
