"""The official client from PyPI, as published, against the sandbox (docs/1msg.md#official-sdk)."""

from collections.abc import Callable, Iterator

import one_msg_sdk
import pytest
from one_msg_sdk.exceptions import ApiException, UnauthorizedException
from one_msg_sdk.models.get_webhook200_response import GetWebhook200Response
from one_msg_sdk.models.send_template_request import SendTemplateRequest
from pydantic import ValidationError

from .client import MARIA, Client, variables
from .receiver import Receiver


@pytest.fixture
def api(client: Client) -> Iterator[one_msg_sdk.ApiClient]:
    told = client.sandbox
    with one_msg_sdk.ApiClient(one_msg_sdk.Configuration(host=f"{told.base_url}/{told.channel_id}")) as api:
        yield api


def order(client: Client, phone: str = MARIA) -> SendTemplateRequest:
    made = SendTemplateRequest.from_dict(client.body(phone=phone, params=variables("Maria", "account setup")))
    assert made is not None
    return made


def test_it_sends_a_template(client: Client, api: one_msg_sdk.ApiClient) -> None:
    answer = one_msg_sdk.TemplatesApi(api).send_template(client.sandbox.token, order(client))
    assert answer["sent"] is True
    (row,) = client.sandbox.messages()
    assert row["id"] == answer["id"]
    assert row["params"] == ["Maria", "account setup"]


def test_it_sees_a_refusal(client: Client, api: one_msg_sdk.ApiClient) -> None:
    answer = one_msg_sdk.TemplatesApi(api).send_template(client.sandbox.token, order(client, "+1555"))
    assert answer["sent"] is False


def test_it_lists_templates(client: Client, api: one_msg_sdk.ApiClient) -> None:
    listed = one_msg_sdk.TemplatesApi(api).list_templates(client.sandbox.token)
    assert listed.total == 10
    assert listed.templates is not None
    assert {item["name"] for item in listed.templates} == {"inactivity_reminder", "order_waiting"}


def test_it_lists_messages(client: Client, api: one_msg_sdk.ApiClient) -> None:
    sent = [client.send_ok() for _ in range(2)]
    listed = one_msg_sdk.MessagingApi(api).list_messages(client.sandbox.token)
    assert listed.messages is not None
    assert [row["id"] for row in listed.messages] == sent


def test_it_sees_the_notice_where_history_is_off(start: Callable[..., Client]) -> None:
    client = start(history=False)
    host = f"{client.sandbox.base_url}/{client.sandbox.channel_id}"
    with one_msg_sdk.ApiClient(one_msg_sdk.Configuration(host=host)) as api:
        assert one_msg_sdk.MessagingApi(api).list_messages(client.sandbox.token).notice


def test_it_registers_a_webhook_reads_it_back_and_is_told(
    client: Client, api: one_msg_sdk.ApiClient, receiver: Receiver
) -> None:
    webhooks, token = one_msg_sdk.WebhooksApi(api), client.sandbox.token
    assert webhooks.get_webhook(token).webhook_url == ""
    assert webhooks.set_webhook(token, GetWebhook200Response(webhookUrl=receiver.url))["set"] is True
    assert webhooks.get_webhook(token).webhook_url == receiver.url
    client.post("settings", {"ackNotificationsOn": True})
    answer = one_msg_sdk.TemplatesApi(api).send_template(token, order(client))
    receiver.wait(lambda: "read" in receiver.statuses(str(answer["id"])))


def test_it_cannot_read_two_webhooks_as_it_cannot_at_1msg(client: Client, api: one_msg_sdk.ApiClient) -> None:
    client.post("webhook", {"webhookUrl": ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]})
    with pytest.raises(ValidationError):
        one_msg_sdk.WebhooksApi(api).get_webhook(client.sandbox.token)


def test_it_reads_the_status(client: Client, api: one_msg_sdk.ApiClient) -> None:
    assert one_msg_sdk.ChannelApi(api).get_status(client.sandbox.token)["status"] == "connected"


def test_it_learns_that_its_token_is_wrong(client: Client, api: one_msg_sdk.ApiClient) -> None:
    with pytest.raises(UnauthorizedException):
        one_msg_sdk.TemplatesApi(api).send_template("stale", order(client))
    with pytest.raises(UnauthorizedException):
        one_msg_sdk.WebhooksApi(api).get_webhook("stale")


def test_it_learns_of_a_rate_limit(client: Client, api: one_msg_sdk.ApiClient) -> None:
    with pytest.raises(ApiException) as caught:
        one_msg_sdk.TemplatesApi(api).send_template(client.sandbox.token, order(client, "15551230016"))
    assert caught.value.status == 429
