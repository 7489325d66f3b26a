"""Whatever 1MSG answers when it is asked for its lists, the caller gets a value or an OneMsgError."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.client import OneMsgClient

keys = st.sampled_from(
    [
        *("templates", "total", "name", "namespace", "language", "status", "category", "components", "type", "text"),
        *("messages", "hooks", "id", "messageId", "body", "fromMe", "time", "chatId", "timestamp", "error", "errors"),
        *(
            "webhookUrl",
            "webhookStatuses",
            "accountStatus",
            "disabled",
            "enabled",
            "ackNotificationsOn",
            "policy",
            "code",
        ),
    ]
)
words = st.sampled_from(
    ["approved", "BODY", "Hello {{1}}, {{2}}", "https://a/x,https://b/y", "delivered", "1790000000"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=30
)
bodies = documents.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=100)
CALLS: list[Callable[[OneMsgClient], Awaitable[Any]]] = [
    lambda client: client.templates(),
    lambda client: client.messages("34612345678", 0),
    lambda client: client.hook_info("wamid.A"),
    lambda client: client.status(),
    lambda client: client.webhook(),
    lambda client: client.settings(),
    lambda client: client.set_webhook(["https://lapse.example.com/x"]),
]


class _Answers:
    """Answers each request with the next of these bodies, and again from the first."""

    def __init__(self, status: int, given: list[bytes]) -> None:
        self._status = status
        self._given = given
        self._asked = 0

    async def exchange(self, *_: object, **__: object) -> tuple[int, dict[str, str], bytes]:
        self._asked += 1
        return self._status, {}, self._given[self._asked % len(self._given)]

    async def aclose(self) -> None:
        return


CLIENT = OneMsgClient(base_url="http://onemsg.example", channel_id="C1", token="a-token", timeout_ms=1_000)


async def _ask_everything(answers: _Answers) -> None:
    CLIENT._http = answers  # type: ignore[assignment]
    for call in CALLS:
        with contextlib.suppress(OneMsgError):
            await call(CLIENT)


@given(st.sampled_from([200, 200, 200, 404, 500]), st.lists(bodies, min_size=1, max_size=3))
def test_any_list_is_read_or_refused(status: int, given: list[bytes]) -> None:
    asyncio.run(_ask_everything(_Answers(status, given)))
