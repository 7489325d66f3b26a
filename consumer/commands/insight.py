"""The options of the commands that look and explain, and change nothing."""

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

        if sum(each is not None for each in (user, reminder, message)) != 1:
            raise typer.BadParameter("give one of USER, --reminder and --message")
        question = command.Question(
            user_id=user,
            process=process,
            reminder_id=reminder,
            message_id=message,
            since=None if since is None else parse_since(since, SystemClock().now(), "--since"),
        )
        raise typer.Exit(command.main(config, question, as_json=as_json, reveal=reveal))


COMMANDS = (explain,)
