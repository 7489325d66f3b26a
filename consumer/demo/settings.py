"""The configuration of the demo: what `lapse.yaml` would say, with days made seconds."""

from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from pydantic import SecretStr

from consumer.config.policy import Policy
from consumer.config.settings import Detect, Kafka, Ledger, Log, OneMsg, Settings, Source, Topics, Tracking, Web
from consumer.config.template import Template
from consumer.config.types import Secret
from consumer.demo.broker import QUIET
from consumer.demo.plan import PROCESSES
from consumer.sandbox.server import Sandbox

TOPICS = Topics(create=False, state="lapse-demo-state")
"""`create=False`: the embedded broker makes topics by itself, and takes no requests to create them."""

SOURCE = Source()


def settings_for(broker: str, channel: Sandbox, folder: Path, port: int) -> Settings:
    """Settings for a service with both roles, its ledger in `folder` and its web server on `port` of this machine."""
    return Settings(
        kafka=Kafka(bootstrap_servers=broker, client=dict(QUIET), group_prefix="lapse-demo", instance="demo"),
        topics=TOPICS,
        source=SOURCE,
        processes=PROCESSES,
        detect=Detect(
            commit_interval=timedelta(milliseconds=250),
            allowed_lateness=timedelta(milliseconds=300),
            settle=timedelta(seconds=1),
            forget_after=timedelta(minutes=10),
        ),
        onemsg=OneMsg(
            base_url=channel.base_url,
            channel_id=channel.channel_id,
            token=Secret(value=SecretStr(channel.token)),
            template=Template(namespace=channel.namespace, language=channel.language),
            timeout=timedelta(seconds=3),
        ),
        # A demo's minute is a day: what people would get within days, they get within the minute.
        policy=Policy(expire_after=timedelta(minutes=2), max_staleness=timedelta(seconds=15), max_per_user={}),
        tracking=Tracking(poll_after=timedelta(seconds=4), give_up_after=timedelta(seconds=30)),
        ledger=Ledger(url=f"sqlite:///{folder / 'lapse.db'}"),
        web=Web(
            port=port,
            public_url=f"http://127.0.0.1:{port}",
            webhook_secret=Secret(value=SecretStr(token_urlsafe(24))),
            register_webhook=True,
        ),
        log=Log(level="info", format="console"),
    )
