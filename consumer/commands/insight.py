"""Options and help of the commands that look and explain: explain, report and backtest."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.commands.subcommands import CONFIG, Config
from consumer.commands.terminal.exit_codes import exit_with_message


def explain(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="The user's id.")] = None,
    process: Annotated[str | None, typer.Argument(metavar="PROCESS", help="Only this process.")] = None,
    reminder: Annotated[str | None, typer.Option(help="A reminder's id, instead of USER.")] = None,
    message: Annotated[str | None, typer.Option(help="A message's id, instead of USER.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Read activities from then on: 30d (ago), or 2026-03-29T14:00Z.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the name and the phone number; this is logged.")
    ] = False,
    config: Config = CONFIG,
) -> None:
    """Explain why somebody got a message, or did not.

    Tells what the topic and the ledger know of one user, in order, with the reason of every decision and what to do.
    """
    with exit_with_message():
        from consumer.clock import SystemClock
        from consumer.commands.explain import main as command
        from consumer.commands.terminal.time_arguments import parse_since
        from consumer.insight.explanation import PersonQuery

        if sum(each is not None for each in (user, reminder, message)) != 1:
            raise typer.BadParameter("give one of USER, --reminder and --message")
        question = PersonQuery(
            user_id=user,
            process=process,
            reminder_id=reminder,
            message_id=message,
            since=None if since is None else parse_since(since, SystemClock().now(), "--since"),
        )
        raise typer.Exit(command.main(config, question, as_json=as_json, reveal=reveal))


def report(
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="From then on: 30d (ago), or 2026-03-29.")] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Until before then. Default: now.")] = None,
    process: Annotated[str | None, typer.Option(help="Only this process.")] = None,
    difference: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="The smallest difference from the holdout that is worth finding.")
    ] = 0.02,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one number in each row.")] = False,
    config: Config = CONFIG,
) -> None:
    """Report what became of the reminders, and what they brought.

    Counts the reminders that were requested in the last 30 days, or between --since and --until: the funnel of each
    step, why people were not written to, failures, delays, and the comparison with the holdout.
    """
    with exit_with_message():
        from consumer.clock import SystemClock
        from consumer.commands.report import main as command
        from consumer.commands.terminal.time_arguments import parse_since

        if as_json and as_csv:
            raise typer.BadParameter("give --json or --csv, not both")
        now = SystemClock().now()
        raise typer.Exit(
            command.main(
                config,
                since=None if since is None else parse_since(since, now, "--since"),
                until=None if until is None else parse_since(until, now, "--until"),
                process=process,
                difference=difference,
                form="json" if as_json else "csv" if as_csv else "text",
            )
        )


def backtest(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Parquet, CSV, JSON Lines or Avro files. Default: the topic."),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="From then on: 30d (ago), or 2026-03-29.")] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Until before then. Default: the end.")] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER.yaml", help="Another configuration, over the same history.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with drawings.")
    ] = None,
    png_folder: Annotated[
        Path | None, typer.Option("--png", metavar="FOLDER", help="Draw the curves as PNG files (needs lapse[plots]).")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put the result into the ledger, for the console and lapse report.")
    ] = False,
    config: Config = CONFIG,
) -> None:
    """Show what would have happened over a history. Sends nothing.

    Replays the topic's history, or files of events with the same fields, through the configured processes, and says
    what other thresholds would do. Names the lapses of each step, how many messages the caps would let through, and
    who comes back without one.
    """
    with exit_with_message():
        from consumer.clock import SystemClock
        from consumer.commands.backtest import main as command
        from consumer.commands.terminal.time_arguments import parse_since

        now = SystemClock().now()
        question = command.BacktestRequest(
            paths=files or [],
            since=None if since is None else parse_since(since, now, "--since"),
            until=None if until is None else parse_since(until, now, "--until"),
            compare=compare,
            json_file=json_file,
            html_file=html_file,
            png_folder=png_folder,
            publish=publish,
        )
        raise typer.Exit(command.main(config, question))


COMMANDS = (explain, report, backtest)
