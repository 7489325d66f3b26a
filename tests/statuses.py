"""A record of delivery-status, of which a test says only what it is about."""

from typing import Any

from consumer.records import DeliveryStatus

_FIELDS: dict[str, Any] = {
    "event_id": "e",
    "reminder_id": "r",
    "sequence": 1,
    "user_id": "maria",
    "process": "checkout",
    "step": 0,
    "medium": "whatsapp",
    "status": "accepted",
    "final": False,
    "source": "webhook",
    "occurred_at": 1_790_000_000_000,
    "recorded_at": 1_790_000_000_001,
}


def delivery_status(**fields: Any) -> DeliveryStatus:
    return DeliveryStatus(**_FIELDS | fields)
