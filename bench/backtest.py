"""Events a second: `lapse backtest` over a topic, beside detect catching up with the same topic, in the same run.

    python -m bench.backtest [--events 2000000] [--users 268000] [--rounds 3] [--format avro|json]

The backtest's time is that of the whole command: connecting, reading, replaying, counting, curves and tables. Detect's
begins with its first record, and ends with its last commit. The CPU is that of this process, the clients' threads
included, and not the broker's. With `--format json` the same events are read from files as well.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from bench.detect import PARTITIONS, catch_up, compare, file_for, rate
from bench.events import events, fill, json_events
from consumer import log
from consumer.clock import SystemClock
from consumer.commands.backtest.main import BacktestRequest, main
from consumer.config.sections.service import LogSettings
from consumer.config.settings import Settings
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

_TOPIC = BacktestRequest(
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
        topic, config, start = fresh_name("activity"), Path(folder) / "lapse.yaml", SystemClock().now() - asked.events
        made = events if asked.format == "avro" else json_events
        fill(bootstrap, topic, PARTITIONS, made(asked.events, asked.users, start))
        histories = {"backtest": _TOPIC}
        if asked.format == "json":
            histories |= _files(Path(folder), asked.events, asked.users, start)
        speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in ("detect", *histories)}
        for _ in range(asked.rounds):
            file = file_for(bootstrap, topic, asked.format)
            config.write_text(json.dumps(file | {"ledger": {"url": f"sqlite:///{folder}/lapse.db"}}))
            settings = Settings.model_validate(file)
            speeds["detect"].append(_speed("detect", asked.events, lambda settings=settings: catch_up(settings)))  # type: ignore[misc]
            for name, history in histories.items():
                took = _speed(name, asked.events, lambda history=history: _backtest(config, history))  # type: ignore[misc]
                speeds[name].append(took)
    for name in histories:
        for place, what in enumerate(("time", "CPU")):
            ours, theirs = ([each[place] for each in speeds[one]] for one in (name, "detect"))
            compare(f"{name} / detect, by {what}", ours, theirs)


def _files(folder: Path, count: int, users: int, start: int) -> dict[str, BacktestRequest]:
    """Write the events to files, and return a request for each."""
    lines = folder / "activities.jsonl"
    with lines.open("wb") as file:
        file.writelines(value + b"\n" for _, value in json_events(count, users, start))
    pl.read_ndjson(lines).write_parquet(parquet := folder / "activities.parquet")
    return {f"backtest of {path.suffix}": replace(_TOPIC, paths=[path]) for path in (lines, parquet)}


def _speed(name: str, count: int, work: Callable[[], float]) -> tuple[float, float]:
    """Return events by second, and by second of this process's CPU."""
    cpu = time.process_time()
    found = rate(name, count, work)
    return found, count / (time.process_time() - cpu)


def _backtest(config: Path, question: BacktestRequest) -> float:
    """Return the seconds that it takes."""
    begin = time.perf_counter()
    main(config, question)
    return time.perf_counter() - begin


if __name__ == "__main__":
    run()
