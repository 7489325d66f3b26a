"""A platform with events of its own: `source` maps them."""

import json
import time

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
