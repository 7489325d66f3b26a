"""A platform with events of its own: `source` maps them."""

import json
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.app.service import Platform, Sandbox, Service, eventually

SOURCE = {
    "format": "json",
    "user": "userId",
    "time": "timestamp",
    "event": "event",
    "action": "properties.reminder_text",
}
PROCESSES = {
    "checkout": {
        "action": "your order",
        "remind_after": ["3s"],
        "active_on": ["Product Added", "Cart Viewed"],
        "complete_on": "Order Completed",
    },
    "account-setup": {"action": "your account", "remind_after": ["3s"], "active_on": "Signed Up"},
}


def tracks(platform: Platform, user: str, event: str, **properties: object) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    call = {"type": "track", "userId": user, "timestamp": stamp, "event": event, "properties": properties}
    platform.write_bytes("activity", user.encode(), json.dumps(call).encode())


def test_track_calls_become_one_message_end_to_end(service: Service, platform: Platform, channel: Sandbox) -> None:
    service.configure(source={**service.settings["source"], **SOURCE}, processes=PROCESSES)
    for n, user in enumerate(("ann", "bob", "eve")):
        platform.knows(user, name=user.title(), phone=f"+34 612 {n:03d} 999")
    platform.flush()
    service.start()
    tracks(platform, "ann", "Product Added", reminder_text="your blue lamp")
    tracks(platform, "bob", "Cart Viewed")
    tracks(platform, "bob", "Order Completed")
    tracks(platform, "eve", "Article Read")
    platform.flush()

    eventually(channel.messages, meaning="ann is reminded")
    tracks(platform, "bob", "Signed Up")
    platform.flush()
    eventually(lambda: len(channel.messages()) == 2, meaning="bob is reminded of something else")
    sent = [(message["params"][0], message["params"][1]) for message in channel.messages()]
    assert sent == [("Ann", "your blue lamp"), ("Bob", "your account")]
    assert service.metric('lapse_events_total{outcome="ignored"}') == 1
    assert service.stop() == 0


def test_users_in_keys_and_names_in_headers_become_one_message_end_to_end(
    service: Service, platform: Platform, channel: Sandbox
) -> None:
    """CloudEvents in binary mode, among tombstones, visitors without a key, events of others, and a local time."""
    where = {"user": "$key", "time": "$header.ce_time", "event": "$header.ce_type", "action": "cart[0].title"}
    source = {**service.settings["source"], **where, "format": "json", "timezone": "Asia/Kathmandu"}
    cart = {
        "action": "your order",
        "remind_after": ["3s"],
        "active_on": "cart.updated",
        "complete_on": ["order.placed"],
    }
    service.configure(source=source, processes={"checkout": cart})
    for n, user in enumerate(("ann", "bob", "eve")):
        platform.knows(user, name=user.title(), phone=f"+34 612 {n:03d} 888")
    platform.flush()
    service.start()

    def tells(key: bytes, name: str, value: bytes | None = b'{"cart": [{"title": "your blue lamp"}]}') -> None:
        shown = datetime.now(ZoneInfo("Asia/Kathmandu")).strftime("%Y%m%dT%H%M%S.%f")
        platform.write_bytes("activity", key, value, {"ce_type": name, "ce_time": shown})

    tells(b"ann", "cart.updated")
    tells(b"bob", "cart.updated")
    tells(b"bob", "order.placed", b"{}")
    tells(b"", "cart.updated")
    tells(b"eve", "page.viewed", b"{}")
    tells(b"eve", "cart.updated", None)
    platform.flush()
    eventually(channel.messages, meaning="ann is reminded")
    assert [message["params"][:2] for message in channel.messages()] == [["Ann", "your blue lamp"]]
    eventually(lambda: service.metric('lapse_events_total{outcome="blank"}') == 1, meaning="the tombstone is counted")
    assert service.metric('lapse_events_total{outcome="ignored"}') == 2
    assert service.metric('lapse_source_paths_total{found="no",path="user"}') == 1
    assert service.metric('lapse_dead_letters_total{reason="unreadable",topic="' + source["topic"] + '"}') == 0
    assert service.stop() == 0
