"""How environment variables change settings."""

from datetime import timedelta
from pathlib import Path

import pytest

from consumer.config.loader import read_secret
from consumer.config.types import Secret
from tests.config.config_files import CHANNEL, SMALL, loaded


class TestTheEnvironment:
    def test_overrides_the_file(self, file: Path) -> None:
        text = SMALL + "kafka: {bootstrap_servers: file:1, group_prefix: mine}"
        kafka = loaded(file, text, LAPSE_KAFKA__BOOTSTRAP_SERVERS="env:2").kafka
        assert (kafka.bootstrap_servers, kafka.group_prefix) == ("env:2", "mine")

    def test_names_are_case_insensitive(self, file: Path) -> None:
        assert loaded(file, SMALL, lapse_web__PORT="9").web.port == 9

    def test_process_name_is_written_with_underscores(self, file: Path) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__ACCOUNT_SETUP__ACTION="your account")
        assert settings.processes["account-setup"].action == "your account"
        assert len(settings.processes) == 2

    @pytest.mark.parametrize("text", ["1h,3h", "[1h, 3h]", '["1h", "3h"]', "1h, 3h"])
    def test_list_is_comma_separated_or_json_or_yaml(self, file: Path, text: str) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER=text)
        assert settings.processes["checkout"].remind_after == (timedelta(hours=1), timedelta(hours=3))

    def test_sets_a_section_then_one_of_its_keys(self, file: Path) -> None:
        web = loaded(file, SMALL, LAPSE_WEB='{"port": 1, "host": "h"}', LAPSE_WEB__PORT="2").web
        assert (web.host, web.port) == ("h", 2)

    def test_sets_a_whole_process(self, file: Path) -> None:
        settings = loaded(file, SMALL, LAPSE_PROCESSES__KYC="{action: your papers, remind_after: [2d]}")
        assert settings.processes["kyc"].action == "your papers"

    def test_null_removes_a_limit(self, file: Path) -> None:
        onemsg = loaded(file, SMALL + CHANNEL, LAPSE_ONEMSG__RATE="null").onemsg
        assert onemsg is not None
        assert onemsg.rate is None

    def test_digits_stay_text_in_text_fields(self, file: Path) -> None:
        onemsg = loaded(file, SMALL + CHANNEL, LAPSE_ONEMSG__CHANNEL_ID="359900").onemsg
        assert onemsg is not None
        assert onemsg.channel_id == "359900"

    def test_librdkafka_keys_are_written_with_underscores(self, file: Path) -> None:
        text = SMALL + "kafka: {client: {security.protocol: PLAINTEXT}}"
        settings = loaded(
            file, text, LAPSE_KAFKA__CLIENT__SECURITY_PROTOCOL="SSL", LAPSE_KAFKA__CLIENT__SASL_PASSWORD="pw"
        )
        assert settings.kafka.client == {"security.protocol": "SSL", "sasl.password": "pw"}

    def test_sets_a_secret_or_where_it_is_kept(self, file: Path) -> None:
        def token(**environ: str) -> Secret:
            onemsg = loaded(file, SMALL + CHANNEL, **environ).onemsg
            assert onemsg is not None
            return onemsg.token

        assert read_secret(token(LAPSE_ONEMSG__TOKEN="abc"), "k").get_secret_value() == "abc"
        assert token(LAPSE_ONEMSG__TOKEN='{"file": "/x"}').file == Path("/x")
        assert token(LAPSE_ONEMSG__TOKEN__FILE="/x").file == Path("/x")
        assert "abc" not in repr(token(LAPSE_ONEMSG__TOKEN="abc"))

    def test_other_lapse_variables_are_ignored(self, file: Path) -> None:
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
