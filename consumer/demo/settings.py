"""The configuration of the demo: what `lapse.yaml` would say, with seconds instead of days."""

from pathlib import Path
from secrets import token_urlsafe

from consumer.config.settings import Settings
from consumer.demo.broker import QUIET
from consumer.sandbox.server import Access

TOPICS = ("user-activity", "contacts", "reminders", "delivery-status", "opt-outs", "dead-letters", "lapse-demo-state")

_PROCESSES = {
    "account-setup": {"action": "your account setup", "remind_after": ["4s", "12s"]},
    "checkout": {"action": "your order", "remind_after": ["3s"], "template": {"name": "order_waiting"}},
    "document-upload": {"action": "your document upload", "remind_after": ["6s"]},
}


def settings_for(broker: str, channel: Access, folder: Path, port: int) -> Settings:
    """Return settings of a service with its ledger in `folder` and its web server on `port` of this machine."""
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": broker, "client": QUIET, "group_prefix": "lapse-demo", "instance": "demo"},
            "topics": {"create": False},  # the embedded broker has them, and takes no requests to create topics
            "source": {"backfill": "2m"},  # people may have gone quiet while the service was starting
            "processes": _PROCESSES,
            "detect": {"commit_interval": "250ms", "allowed_lateness": "300ms", "settle": "1s", "forget_after": "10m"},
            "onemsg": {
                "base_url": channel.base_url,
                "channel_id": channel.channel_id,
                "token": {"value": channel.token},
                "template": {"namespace": channel.namespace, "language": channel.language},
                "timeout": "3s",
            },
            # Minutes stand for weeks here, so nobody has a cap.
            "policy": {"expire_after": "2m", "max_staleness": "15s", "max_per_user": {}, "holdout": 0.1},
            "tracking": {"poll_after": "4s", "give_up_after": "30s"},
            "ledger": {"url": f"sqlite:///{folder / 'lapse.db'}"},
            "web": {
                "port": port,
                "public_url": f"http://127.0.0.1:{port}",
                "webhook_secret": {"value": token_urlsafe(24)},
                "register_webhook": True,
            },
        }
    )
