"""The official client from PyPI, as published, against the sandbox (docs/1msg.md#official-sdk)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from .client import MARIA, Client, variables
from .receiver import Receiver


@pytest.fixture(scope="module")
def sdk() -> Any:
    """Load it here alone: that takes longer than these tests, and every process of a run reads this module."""
    import one_msg_sdk

    return one_msg_sdk


@pytest.fixture
def api(sdk: Any, client: Client) -> Iterator[Any]:
    told = client.sandbox
    with sdk.ApiClient(sdk.Configuration(host=f"{told.base_url}/{told.channel_id}")) as api:
        yield api


def order(sdk: Any, client: Client, phone: str = MARIA) -> Any:
    made = sdk.SendTemplateRequest.from_dict(client.body(phone=phone, params=variables("Maria", "account setup")))
    assert made is not None
    return made


def test_it_sends_a_template(sdk: Any, client: Client, api: Any) -> None:
    answer = sdk.TemplatesApi(api).send_template(client.sandbox.token, order(sdk, client))
    assert answer["sent"] is True
    (row,) = client.sandbox.messages()
    assert row["id"] == answer["id"]
    assert row["params"] == ["Maria", "account setup"]


def test_it_sees_a_refusal(sdk: Any, client: Client, api: Any) -> None:
    answer = sdk.TemplatesApi(api).send_template(client.sandbox.token, order(sdk, client, "+1555"))
    assert answer["sent"] is False


def test_it_lists_templates(sdk: Any, client: Client, api: Any) -> None:
    listed = sdk.TemplatesApi(api).list_templates(client.sandbox.token)
    assert listed.total == 10
    assert listed.templates is not None
    assert {item["name"] for item in listed.templates} == {"inactivity_reminder", "order_waiting"}


def test_it_lists_messages(sdk: Any, client: Client, api: Any) -> None:
    sent = [client.send_ok() for _ in range(2)]
    listed = sdk.MessagingApi(api).list_messages(client.sandbox.token)
    assert listed.messages is not None
    assert [row["id"] for row in listed.messages] == sent


def test_it_sees_the_notice_where_history_is_off(sdk: Any, start: Callable[..., Client]) -> None:
    client = start(history=False)
    host = f"{client.sandbox.base_url}/{client.sandbox.channel_id}"
    with sdk.ApiClient(sdk.Configuration(host=host)) as api:
        assert sdk.MessagingApi(api).list_messages(client.sandbox.token).notice


def test_it_registers_a_webhook_reads_it_back_and_is_told(
    sdk: Any, client: Client, api: Any, receiver: Receiver
) -> None:
    webhooks, token = sdk.WebhooksApi(api), client.sandbox.token
    assert webhooks.get_webhook(token).webhook_url == ""
    assert webhooks.set_webhook(token, sdk.GetWebhook200Response(webhookUrl=receiver.url))["set"] is True
    assert webhooks.get_webhook(token).webhook_url == receiver.url
    client.post("settings", {"ackNotificationsOn": True})
    answer = sdk.TemplatesApi(api).send_template(token, order(sdk, client))
    receiver.wait(lambda: "read" in receiver.statuses(str(answer["id"])))


def test_it_cannot_read_two_webhooks_as_it_cannot_at_1msg(sdk: Any, client: Client, api: Any) -> None:
    client.post("webhook", {"webhookUrl": ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]})
    with pytest.raises(ValidationError):
        sdk.WebhooksApi(api).get_webhook(client.sandbox.token)


def test_it_reads_the_status(sdk: Any, client: Client, api: Any) -> None:
    assert sdk.ChannelApi(api).get_status(client.sandbox.token)["status"] == "connected"


def test_it_learns_that_its_token_is_wrong(sdk: Any, client: Client, api: Any) -> None:
    with pytest.raises(sdk.exceptions.UnauthorizedException):
        sdk.TemplatesApi(api).send_template("stale", order(sdk, client))
    with pytest.raises(sdk.exceptions.UnauthorizedException):
        sdk.WebhooksApi(api).get_webhook("stale")


def test_it_learns_of_a_rate_limit(sdk: Any, client: Client, api: Any) -> None:
    with pytest.raises(sdk.ApiException) as caught:
        sdk.TemplatesApi(api).send_template(client.sandbox.token, order(sdk, client, "15551230016"))
    assert caught.value.status == 429
