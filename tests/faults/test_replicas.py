"""Two replicas of deliver on one PostgreSQL are killed, paused and resumed: still one message to each person."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.app.service import Platform, Sandbox, Service, eventually
from tests.broker.broker import free_ports
from tests.faults.replicas import TIMEOUT_S, Detect, channel, deliver, names
from tests.ledger.databases import emptied

__all__ = ["channel", "names"]


class Story:
    """Two replicas, and what can be seen of them from outside."""

    def __init__(self, one: Service, two: Service, detect: Detect, platform: Platform, channel: Sandbox) -> None:
        self.one, self.two, self.detect, self.platform, self.channel = one, two, detect, platform, channel
        self.statuses = platform.reads("delivery_status", "delivery_status")

    def write_lapses(self, count: int) -> None:
        for n in range(count):
            self.platform.knows(f"user-{n}", name=f"Name {n}", phone=f"+34 612 {n:03d} 999")
        self.platform.flush()
        for n in range(count):
            self.detect.write_due(f"user-{n}")

    def sent(self) -> int:
        return len(self.channel.messages())

    def all_final_or_unknown(self, count: int) -> bool:
        latest = {life[-1]["user_id"]: life[-1] for life in self.statuses.lives().values()}
        return len(latest) == count and all(r["final"] or r["status"] == "unknown" for r in latest.values())

    def assert_no_duplicates(self) -> None:
        requests = Counter(message["phone"] for message in self.channel.messages())
        assert set(requests.values()) <= {1}, requests

    def assert_topic_in_order(self) -> None:
        """Records may be repeated, but new ones come in order, and the last one is never a repeat of an older one."""
        for life in self.statuses.lives().values():
            firsts = list(dict.fromkeys(record["sequence"] for record in life))
            assert firsts == sorted(firsts)
            assert life[-1]["sequence"] == max(firsts)


@pytest.fixture
def story(kafka: str, postgresql: str, names: str, channel: Sandbox, tmp_path: Path) -> Iterator[Story]:
    url = emptied(postgresql)
    platform = Platform(kafka, names)
    detect = Detect(kafka, platform)
    one, two = (
        deliver(kafka, channel, tmp_path, names, port, instance, url)
        for instance, port in zip(("one", "two"), free_ports(2), strict=True)
    )
    with detect.running():
        yield Story(one, two, detect, platform, channel)
        for each in (one, two):
            if each.process is not None and each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
                each.kill()


def begin(story: Story, **onemsg: Any) -> None:
    """Start both, `one` first, so that it is the one that publishes."""
    for each in (story.one, story.two):
        each.change("onemsg", **onemsg)
        each.start("--role", "deliver")


@pytest.mark.parametrize("channel", [("--latency", "1500")], indirect=True)
def test_other_replica_takes_over_from_one_killed_while_sending(story: Story) -> None:
    begin(story, rate=8)
    story.write_lapses(40)
    eventually(lambda: story.one.metric("lapse_sends_in_flight") >= 2, TIMEOUT_S, meaning="one has requests in flight")
    story.one.kill()
    eventually(lambda: story.all_final_or_unknown(40), TIMEOUT_S, meaning="all are final or unknown")
    story.assert_no_duplicates()
    story.assert_topic_in_order()
    lost = [life for life in story.statuses.lives().values() if any(r["reason"] == "lease_ran_out" for r in life)]
    assert lost
    assert story.sent() >= 40 - len(lost)
    assert story.two.stop() == 0


@pytest.mark.parametrize("channel", [("--latency", "1500")], indirect=True)
def test_replica_paused_while_sending_is_replaced_and_resumes_without_duplicates(story: Story) -> None:
    begin(story, rate=8)
    story.write_lapses(40)
    eventually(lambda: story.one.metric("lapse_sends_in_flight") >= 2, TIMEOUT_S, meaning="one has requests in flight")
    assert story.one.process is not None
    story.one.process.send_signal(signal.SIGSTOP)
    eventually(lambda: story.all_final_or_unknown(40), TIMEOUT_S, meaning="the other has published the rest")
    story.one.process.send_signal(signal.SIGCONT)
    before = story.sent()
    eventually(lambda: story.one.ready(), TIMEOUT_S, meaning="the one that was paused is at work again")
    story.detect.write_due("user-1", "checkout")  # a new one shows that both go on
    eventually(lambda: story.sent() == before + 1, TIMEOUT_S, meaning="the last message is out")
    counted = Counter((message["phone"], message["params"][1]) for message in story.channel.messages())
    assert set(counted.values()) == {1}
    story.assert_topic_in_order()
    assert [story.one.stop(), story.two.stop()] == [0, 0]


def test_replica_resumed_after_its_claim_expired_does_not_send(story: Story, postgresql: str) -> None:
    """It is paused in the middle of a claim, while the test holds the lock on a row that every claim needs."""
    story.one.change("onemsg", rate=8)
    story.two.change("onemsg", rate=8)
    story.one.start("--role", "deliver")
    story.platform.knows("first", name="First", phone="+34 612 900 999")
    story.platform.flush()
    story.detect.write_due("first")
    eventually(lambda: story.sent() == 1, TIMEOUT_S, meaning="the first message")
    with psycopg.connect(postgresql.replace("+psycopg", "")) as blocker:
        blocker.execute("SELECT * FROM rate_limits FOR UPDATE")
        story.write_lapses(5)
        waiting = """
            SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
        """
        with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as observer:
            eventually(lambda: observer.execute(waiting).fetchone() != (0,), TIMEOUT_S, meaning="a claim under way")
        assert story.one.process is not None
        story.one.process.send_signal(signal.SIGSTOP)
    story.two.start("--role", "deliver")
    # The server ends the idle transaction, and then the rows are free for the other replica.
    eventually(lambda: story.sent() == 6, TIMEOUT_S, meaning="the other has sent to everybody")
    story.one.process.send_signal(signal.SIGCONT)
    eventually(lambda: story.one.ready(), TIMEOUT_S, meaning="the one that was paused is at work again")
    eventually(lambda: story.all_final_or_unknown(6), TIMEOUT_S, meaning="all six are final")
    story.assert_no_duplicates()
    assert story.sent() == 6


def test_replicas_share_the_channels_rate_limit(story: Story, postgresql: str) -> None:
    rate = 20
    begin(story, rate=rate)
    story.write_lapses(120)
    eventually(lambda: story.sent() == 120, TIMEOUT_S, meaning="all are sent")
    # When each was begun, and not when it arrived: on a busy machine many may arrive at once.
    with psycopg.connect(postgresql.replace("+psycopg", "")) as ledger:
        moments = [moment for (moment,) in ledger.execute("SELECT started_at FROM attempts ORDER BY 1").fetchall()]
    assert len(moments) == 120
    most = max(sum(start <= at < start + 1000 for at in moments) for start in moments)
    assert most <= rate * 1.25, "a burst of a quarter of a second is allowed"

    accepted = 'lapse_sends_total{outcome="accepted",process="account-setup",reason=""}'

    def attempts() -> list[float]:
        return [each.metric(accepted) for each in (story.one, story.two)]

    eventually(lambda: sum(attempts()) == 120, TIMEOUT_S, meaning="the last answers have been counted")
    assert all(attempts())
