"""Events a second: `lapse backtest` over a topic, beside detect catching up with the same topic, in the same run.

    python -m bench.backtest [--events 2000000] [--users 268000] [--rounds 3] [--format avro|json]

The backtest's time is that of the whole command: reading, replaying, counting, curves and tables.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from bench.detect import PARTITIONS, catch_up, compare, file_for, rate
from bench.events import events, fill, json_events
from consumer import log
from consumer.clock import SystemClock
from consumer.commands.backtest.main import BacktestRequest, main
from consumer.config.sections.service import LogSettings
from consumer.config.settings import Settings
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

_EVERYTHING = BacktestRequest(
    paths=[],
    since=None,
    until=None,
    compare=None,
    json_file=None,
    html_file=None,
    png_folder=None,
    publish=False,
)


def run() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--users", type=int, default=268_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--format", choices=("avro", "json"), default="avro")
    asked = arguments.parse_args()
    log.configure(LogSettings(level="error"))
    with running_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        topic, config = fresh_name("activity"), Path(folder) / "lapse.yaml"
        made = events if asked.format == "avro" else json_events
        fill(bootstrap, topic, PARTITIONS, made(asked.events, asked.users, SystemClock().now() - asked.events))
        rounds = []
        for _ in range(asked.rounds):
            file = file_for(bootstrap, topic, asked.format)
            config.write_text(json.dumps(file | {"ledger": {"url": f"sqlite:///{folder}/lapse.db"}}))
            settings = Settings.model_validate(file)
            rounds.append(
                (
                    rate("detect", asked.events, lambda settings=settings: catch_up(settings)),  # type: ignore[misc]
                    rate("backtest", asked.events, lambda: _backtest(config)),
                )
            )
    detects, backtests = zip(*rounds, strict=True)
    compare("backtest / detect", backtests, detects)


def _backtest(config: Path) -> float:
    """Return the seconds that it takes."""
    begin = time.perf_counter()
    main(config, _EVERYTHING)
    return time.perf_counter() - begin


if __name__ == "__main__":
    run()
