"""The configuration of the demo: what `lapse.yaml` would say, with days made seconds."""

from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from pydantic import SecretStr

from consumer.config.detect import DetectSettings
from consumer.config.kafka import KafkaSettings, TopicSettings
from consumer.config.onemsg import OneMsgSettings, TrackingSettings
from consumer.config.policy import PolicySettings
from consumer.config.service import LedgerSettings, LogSettings, WebSettings
from consumer.config.settings import Settings
from consumer.config.source import SourceSettings
from consumer.config.template import TemplateSettings
from consumer.config.types import Secret
from consumer.demo.broker import QUIET
from consumer.demo.plan import PROCESSES
from consumer.sandbox.server import Sandbox

TOPICS = TopicSettings(create=False, state="lapse-demo-state")
"""`create=False`: the embedded broker makes topics by itself, and takes no requests to create them."""

SOURCE = SourceSettings()


def settings_for(broker: str, channel: Sandbox, folder: Path, port: int) -> Settings:
    """Settings for a service with both roles, its ledger in `folder` and its web server on `port` of this machine."""
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=broker, client=dict(QUIET), group_prefix="lapse-demo", instance="demo"),
        topics=TOPICS,
        source=SOURCE,
        processes=PROCESSES,
        detect=DetectSettings(
            commit_interval=timedelta(milliseconds=250),
            allowed_lateness=timedelta(milliseconds=300),
            settle=timedelta(seconds=1),
            forget_after=timedelta(minutes=10),
        ),
        onemsg=OneMsgSettings(
            base_url=channel.base_url,
            channel_id=channel.channel_id,
            token=Secret(value=SecretStr(channel.token)),
            template=TemplateSettings(namespace=channel.namespace, language=channel.language),
            timeout=timedelta(seconds=3),
        ),
        # A demo's minute is a day: what people would get within days, they get within the minute.
        policy=PolicySettings(expire_after=timedelta(minutes=2), max_staleness=timedelta(seconds=15), max_per_user={}),
        tracking=TrackingSettings(poll_after=timedelta(seconds=4), give_up_after=timedelta(seconds=30)),
        ledger=LedgerSettings(url=f"sqlite:///{folder / 'lapse.db'}"),
        web=WebSettings(
            port=port,
            public_url=f"http://127.0.0.1:{port}",
            webhook_secret=Secret(value=SecretStr(token_urlsafe(24))),
            register_webhook=True,
        ),
        log=LogSettings(level="info", format="console"),
    )
