"""`lapse backtest`: what would have happened over the topic's history, or over files, sending nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
from rich.progress import Progress

from consumer import log
from consumer.activity.build import build_decoder
from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import Millis, SystemClock
from consumer.commands import kafka_probe, topic_history
from consumer.commands.backtest import files, html, ledger, png, show
from consumer.commands.backtest.history import History
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import print_text
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.insight.backtest import Backtest, backtest
from consumer.insight.published_backtest import PublishedBacktest
from consumer.insight.whole_history.gaps import messages_of
from consumer.wiring import detect
from consumer.wiring.activity_reader import Coverage, read_history
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 5
_LOOKUP_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """What to replay, and where to write it. Without `paths` it is the topic, from `since` until before `until`."""

    paths: list[Path]
    since: Millis | None
    until: Millis | None
    compare: Path | None
    json_file: Path | None
    html_file: Path | None
    png_folder: Path | None
    publish: bool


@dataclass(slots=True)
class _LeftOut:
    """What could not be read, by reason, why the first of each could not, and how many events concern no process."""

    bad: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    ignored: int = 0

    def add(self, decoded: Decoded) -> None:
        self.bad.update(each.reason for each in decoded.bad)
        for each in decoded.bad:
            self.errors.setdefault(each.reason, each.error)
        self.ignored += decoded.ignored

    @property
    def unread(self) -> str:
        """Return what could not be read, in words."""
        return "; ".join(f"{reason} {count:,}: {self.errors[reason]}" for reason, count in self.bad.most_common())


def main(config: Path, question: BacktestRequest) -> int:
    """Print what would have happened.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: there is nothing to replay, or a file cannot be read or written.
    """
    settings = load(config)
    other = None if question.compare is None else load(question.compare)
    log.configure_for_command()
    results: dict[str, Backtest] = {}
    now = SystemClock().now()
    facts = ledger.read_facts(settings, now)
    for path, each in ((config, settings), (question.compare, other)):
        if path is None or each is None:
            continue
        found, left_out = _backtest(each, question, facts)
        results[str(path)] = found
        show.print_tables(str(path), found)
        if left_out.bad:
            print_text(f"\nnot read: {sum(left_out.bad.values()):,} ({left_out.unread})", err=True)
    _write(question, results)
    if question.publish:
        files_read = "1 file" if len(question.paths) == 1 else f"{len(question.paths)} files"
        history_of = files_read if question.paths else f"the topic {settings.source.topic}"
        ledger.publish(settings, PublishedBacktest(now, history_of, results[str(config)]))
        print_text("\npublished: the console shows it under Insight, and lapse report tells it", err=True)
    return DONE


def _backtest(settings: Settings, question: BacktestRequest, facts: ledger.LedgerFacts) -> tuple[Backtest, _LeftOut]:
    rules, left_out, coverage = detect.rules(settings), _LeftOut(), Coverage()
    with History(pl.Enum(list(rules.ladders))) as history:
        for decoded in _decoded(settings, question, coverage):
            history.add(_between(decoded.frame, question))
            left_out.add(decoded)
        missing = [*topic_history.missing(settings.source.topic, coverage, lambda at: f"{format_minute(at)} UTC")]
        if history.first_occurred is None or history.last_written is None:
            raise CommandFailed(_nothing(left_out, missing, settings))
        if not question.paths:
            history.add_messages(messages_of(facts.sends))
        caps = {millis(span): limit for span, limit in settings.policy.max_per_user.items()}
        until = history.last_written if question.until is None else question.until
        price = ledger.price_of(settings, facts)
        found = backtest(history.parts(), rules, caps, history.first_occurred, until, price)
    unknown = ledger.unknown_messages(facts, found.since, from_files=bool(question.paths))
    return replace(found, notes=[*missing, *found.notes, *unknown]), left_out


def _between(frame: pl.DataFrame, question: BacktestRequest) -> pl.DataFrame:
    """Return the activities of the span that is asked for. Those of files count as written when they happened."""
    if question.paths:
        frame = frame.with_columns(written_at=pl.col("occurred_at"))
    if question.since is not None:
        frame = frame.filter(pl.col("written_at") >= question.since)
    if question.until is not None:
        frame = frame.filter(pl.col("written_at") < question.until)
    return frame


def _decoded(settings: Settings, question: BacktestRequest, coverage: Coverage) -> Iterator[Decoded]:
    now = SystemClock().now()
    if question.paths:
        yield from files.read_files(question.paths, _json_decoder(settings), now)
        return
    kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    since, until = question.since or 0, now if question.until is None else question.until
    with Progress(transient=True) as progress:
        task = progress.add_task(settings.source.topic, total=None)
        batches = read_history(
            Shared(settings), "backtest", since, until, timeout_s=_LOOKUP_TIMEOUT_S, coverage=coverage
        )
        for batch in batches:
            progress.update(task, completed=batch.read, total=batch.total)
            yield batch.decoded


def _json_decoder(settings: Settings) -> ActivityDecoder:
    """Return a decoder for the rows of files, which come as JSON whatever the topic's format is."""
    source = settings.source.model_copy(update={"format": "json"})
    writers = WriterSchemas(SystemClock(), None)  # which JSON does not need
    return build_decoder(source, settings.processes, writers, millis(settings.detect.clock_doubt), is_history=True)


def _nothing(left_out: _LeftOut, missing: Sequence[str], settings: Settings) -> str:
    if left_out.bad:
        return f"nothing could be read: {left_out.unread}"
    if left_out.ignored:
        return (
            f"none of the {left_out.ignored:,} events concerns a process: do the paths of source and the events of"
            f" processes ({', '.join(settings.processes)}) match them?"
        )
    return "there is nothing to replay: " + ("; ".join(missing) or "no events in that time")


def _write(question: BacktestRequest, results: dict[str, Backtest]) -> None:
    try:
        if question.json_file is not None:
            question.json_file.write_text(show.as_json(results), encoding="utf-8")
        if question.html_file is not None:
            html.write_page(question.html_file, results)
        if question.png_folder is not None:
            png.write_plots(question.png_folder, results)
    except OSError as problem:
        raise CommandFailed(f"{problem.filename}: it cannot be written: {problem.strerror}") from None
