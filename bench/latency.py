"""From a lapse to its request at 1MSG, with all of Lapse in between: seconds, at a steady number of lapses a second.

    python -m bench.latency [--rate 80] [--seconds 30] [--limit R]

People are active and go quiet; the moment of each lapse is known beforehand. `lapse run` is one process with both
roles and a ledger in SQLite, the broker a real one, and the request's time is the sandbox's own. Commits every second,
no allowed lateness, no limit to the channel's rate (a rate equal to that of the lapses never catches up).
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bench.measured_replica import phone
from tests.app.service import Platform, Sandbox, Service, eventually, sandbox, settings
from tests.broker.broker import free_ports
from tests.broker.find import running_kafka

_QUIET = 5.0
"""Seconds after which a person has lapsed."""
_WARM = 3
"""Seconds of people who are not counted: the first of them pay for connections and for code that runs once."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=80)
    arguments.add_argument("--seconds", type=int, default=30)
    arguments.add_argument("--limit", type=float, help="requests a second for the channel; none unless given")
    options = arguments.parse_args()
    people = range(options.rate * (options.seconds + _WARM))
    with (
        running_kafka() as bootstrap,
        sandbox("--latency", "50") as channel,
        _service(bootstrap, channel, options.limit) as (service, platform),
    ):
        _print(*_measured(service, platform, channel, people, options.rate))


@contextmanager
def _service(bootstrap: str, channel: Sandbox, limit: float | None) -> Iterator[tuple[Service, Platform]]:
    prefix = f"latency-{uuid.uuid4().hex[:8]}"
    topics = [NewTopic(f"{prefix}-activity", 4, 1), NewTopic(f"{prefix}-contacts", 4, 1)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(topics).values():
        made.result()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        [port] = free_ports(1)
        configuration = settings(bootstrap, channel, folder, prefix, port)
        configuration["processes"] = {"account-setup": {"action": "account setup", "remind_after": [f"{_QUIET:.0f}s"]}}
        configuration["detect"] |= {"commit_interval": "1s", "allowed_lateness": "0s", "settle": "100ms"}
        configuration["onemsg"]["rate"] = limit
        service = Service(folder, configuration, channel.info["token"])
        try:
            yield service.start(), Platform(bootstrap, prefix)
        finally:
            if service.stop() != 0:
                print(service.log[-3_000:])


def _measured(
    service: Service, platform: Platform, channel: Sandbox, people: range, rate: int
) -> tuple[list[float], str]:
    """Return the seconds from each lapse to its request, and a sentence with the service's own metrics."""
    for number in people:
        platform.knows(f"user-{number}", name="Maria", phone=phone(number))
    platform.flush()
    lapses: dict[str, float] = {}
    began = time.time()
    for count, number in enumerate(people):
        at = began + count / rate
        time.sleep(max(0.0, at - time.time()))
        occurred_at = int(time.time() * 1_000)
        platform.says(f"user-{number}", "STARTED", occurred_at=occurred_at)
        if count >= rate * _WARM:
            lapses[phone(number)] = occurred_at / 1_000 + _QUIET
    platform.flush()
    sent: dict[str, Any] = {}

    def all_sent() -> bool:
        sent.update((message["phone"], message) for message in channel.messages() if message["phone"] in lapses)
        return len(sent) == len(lapses)

    eventually(all_sent, 60, meaning="everybody's message has been asked for")
    name, part = "lapse_lapse_to_send_seconds", "lapse_lapse_to_reminder_seconds"
    sends, total = service.metric(f'{name}_count{{held="no"}}'), service.metric(f'{name}_sum{{held="no"}}')
    under = service.metric(f'{name}_bucket{{held="no",le="2.0"}}')
    asked = service.metric(f"{part}_sum") / service.metric(f"{part}_count")
    metric = f"metrics: {sends:.0f} sends, mean {total / sends:.2f} s (of it {asked:.2f} s to the reminder),"
    metric += f" {under / sends:.1%} within 2 s"
    return [sent[each]["time"] / 1_000 - lapse for each, lapse in lapses.items()], metric


def _print(delays: Sequence[float], metric: str) -> None:
    each = sorted(delays)
    p50, p99 = each[len(each) // 2], each[len(each) * 99 // 100]
    print(f"{len(each)} lapses: p50 {p50:.2f} s, p99 {p99:.2f} s, worst {each[-1]:.2f} s    {metric}")


if __name__ == "__main__":
    main()
