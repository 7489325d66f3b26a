"""Two replicas of deliver, one PostgreSQL: killed, paused and woken, and still one message to each person."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.app.service import Platform, Sandbox, Service, eventually
from tests.faults.replicas import PATIENCE, Detect, channel, deliver, free_port, names
from tests.ledger.databases import emptied

__all__ = ["channel", "names"]


class Story:
    """What happens to two replicas, and what everybody else sees of it."""

    def __init__(self, one: Service, two: Service, detect: Detect, platform: Platform, channel: Sandbox) -> None:
        self.one, self.two, self.detect, self.platform, self.channel = one, two, detect, platform, channel
        self.statuses = platform.reads("delivery_status", "delivery_status")

    def lapses(self, count: int) -> None:
        for n in range(count):
            self.platform.knows(f"user-{n}", name=f"Name {n}", phone=f"+34 612 {n:03d} 999")
        self.platform.flush()
        for n in range(count):
            self.detect.asks(f"user-{n}")

    def sent(self) -> int:
        return len(self.channel.messages())

    def everybody_is_accounted_for(self, count: int) -> bool:
        latest = {life[-1]["user_id"]: life[-1] for life in self.statuses.lives().values()}
        return len(latest) == count and all(r["final"] or r["status"] == "unknown" for r in latest.values())

    def nobody_heard_twice(self) -> None:
        requests = Counter(message["phone"] for message in self.channel.messages())
        assert set(requests.values()) <= {1}, requests

    def the_topic_is_in_order(self) -> None:
        """Records may be repeated; but new ones come in order, and a repeat never has the last word."""
        for life in self.statuses.lives().values():
            firsts = list(dict.fromkeys(record["sequence"] for record in life))
            assert firsts == sorted(firsts)
            assert life[-1]["sequence"] == max(firsts)


@pytest.fixture
def story(kafka: str, postgresql: str, names: str, channel: Sandbox, tmp_path: Path) -> Iterator[Story]:
    url = emptied(postgresql)
    platform = Platform(kafka, names)
    detect = Detect(kafka, platform)
    one, two = (deliver(kafka, channel, tmp_path, names, free_port(), instance, url) for instance in ("one", "two"))
    with detect.running():
        yield Story(one, two, detect, platform, channel)
        for each in (one, two):
            if each.process is not None and each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
                each.kill()


def begin(story: Story, **onemsg: Any) -> None:
    """One first, so that it is the one that publishes."""
    for each in (story.one, story.two):
        each.change("onemsg", **onemsg)
        each.start("--role", "deliver")


@pytest.mark.parametrize("channel", [("--latency", "1500")], indirect=True)
def test_a_replica_that_is_killed_while_it_sends_leaves_unknowns_and_the_other_does_the_rest(story: Story) -> None:
    begin(story, rate=8)
    story.lapses(40)
    eventually(lambda: story.one.metric("lapse_sends_in_flight") >= 2, PATIENCE, meaning="one has requests out")
    story.one.kill()
    eventually(lambda: story.everybody_is_accounted_for(40), PATIENCE, meaning="all are final or unknown")
    story.nobody_heard_twice()
    story.the_topic_is_in_order()
    lost = [life for life in story.statuses.lives().values() if any(r["reason"] == "lease_ran_out" for r in life)]
    assert lost
    assert story.sent() >= 40 - len(lost)
    assert story.two.stop() == 0


@pytest.mark.parametrize("channel", [("--latency", "1500")], indirect=True)
def test_a_replica_that_is_paused_while_it_sends_and_publishes_is_replaced_and_wakes_up_to_nothing(
    story: Story,
) -> None:
    begin(story, rate=8)
    story.lapses(40)
    eventually(lambda: story.one.metric("lapse_sends_in_flight") >= 2, PATIENCE, meaning="one has requests out")
    assert story.one.process is not None
    story.one.process.send_signal(signal.SIGSTOP)
    eventually(lambda: story.everybody_is_accounted_for(40), PATIENCE, meaning="the other has published the rest")
    story.one.process.send_signal(signal.SIGCONT)
    before = story.sent()
    eventually(lambda: story.one.ready(), PATIENCE, meaning="the one that was paused is at work again")
    story.detect.asks("user-1", "checkout")  # something new, to see that they go on together
    eventually(lambda: story.sent() == before + 1, PATIENCE, meaning="the last message is out")
    counted = Counter((message["phone"], message["params"][1]) for message in story.channel.messages())
    assert set(counted.values()) == {1}
    story.the_topic_is_in_order()
    assert [story.one.stop(), story.two.stop()] == [0, 0]


def test_a_replica_that_wakes_up_after_its_claim_is_over_does_not_send(story: Story, postgresql: str) -> None:
    """It is paused in the middle of a claim: the row that everybody needs for one is held, and then let go."""
    story.one.change("onemsg", rate=8)
    story.two.change("onemsg", rate=8)
    story.one.start("--role", "deliver")
    story.platform.knows("first", name="First", phone="+34 612 900 999")
    story.platform.flush()
    story.detect.asks("first")
    eventually(lambda: story.sent() == 1, PATIENCE, meaning="the first message")
    with psycopg.connect(postgresql.replace("+psycopg", "")) as hands:
        hands.execute("SELECT * FROM rate_limits FOR UPDATE")
        story.lapses(5)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as eyes:
            eventually(lambda: eyes.execute(waiting).fetchone() != (0,), PATIENCE, meaning="a claim under way")
        assert story.one.process is not None
        story.one.process.send_signal(signal.SIGSTOP)
    story.two.start("--role", "deliver")
    # The server ends the transaction that nobody goes on with, and then everything is free for the other.
    eventually(lambda: story.sent() == 6, PATIENCE, meaning="the other has written to everybody")
    story.one.process.send_signal(signal.SIGCONT)
    eventually(lambda: story.one.ready(), PATIENCE, meaning="the one that was paused is at work again")
    eventually(lambda: story.everybody_is_accounted_for(6), PATIENCE, meaning="all six are final")
    story.nobody_heard_twice()
    assert story.sent() == 6


def test_two_replicas_together_are_no_faster_than_the_channel_may_be_used(story: Story) -> None:
    rate = 20
    begin(story, rate=rate)
    story.lapses(120)
    eventually(lambda: story.sent() == 120, PATIENCE, meaning="everybody has been written to")
    moments = sorted(message["time"] for message in story.channel.messages())
    most = max(sum(start <= at < start + 1000 for at in moments) for start in moments)
    # A quarter of a second's worth may leave at once; and what was claimed before a busy moment arrives after it.
    assert most <= rate * 1.25 + rate / 2
    assert moments[-1] - moments[0] >= (120 - rate / 4) / rate * 1000 - 500
    attempts = [each.metric('lapse_sends_total{outcome="accepted",reason=""}') for each in (story.one, story.two)]
    assert sum(attempts) == 120
    assert all(attempts)
