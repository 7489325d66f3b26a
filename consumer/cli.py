"""The command `lapse`: its options and help. What a command does is in `consumer/commands/`.

Exit status: 0 done, 1 it failed, 2 bad usage or configuration. Whatever does the work is imported only when it is
asked for, so that `lapse --help` answers at once.
"""

import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

import typer

from consumer.commands.subcommands import CONFIG, GROUPS, Config
from consumer.commands.terminal.exit_codes import exit_with_message

app = typer.Typer(
    help="Notices clients who went quiet in the middle of something, and reminds each of them once, on WhatsApp.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"lapse {version('lapse')}")
        except PackageNotFoundError:
            typer.echo("lapse, run from its source and not installed")
        raise typer.Exit


@app.callback()
def _lapse(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def run(
    config: Config = CONFIG,
    role: Annotated[
        Literal["detect", "deliver"] | None, typer.Option(help="Do only this part of the work; both unless set.")
    ] = None,
) -> None:
    """Run the service until it is told to stop (SIGTERM, Ctrl-C)."""
    with exit_with_message():
        from consumer.commands import run as command

        raise typer.Exit(command.main(config, role))


@app.command()
def check(config: Config = CONFIG) -> None:
    """Try all the service will need, and say what to do about it."""
    with exit_with_message():
        from consumer.commands.check import run_checks as command

        raise typer.Exit(command.main(config))


@app.command()
def topics(
    config: Config = CONFIG,
    create: Annotated[bool, typer.Option("--create", help="Create those that are missing.")] = False,
) -> None:
    """Show the topics Lapse needs, with partitions and settings."""
    with exit_with_message():
        from consumer.commands import topics as command

        raise typer.Exit(command.main(config, create=create))


@app.command()
def send(
    phone: Annotated[str, typer.Option(help="With its country code: +34 600 123 456.")],
    name: Annotated[str, typer.Option(help="The template's first variable.")],
    action: Annotated[str, typer.Option(help="The template's second variable: what is unfinished.")],
    config: Config = CONFIG,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is delivered, read or has failed.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="How many seconds to wait at most.")] = 60,
) -> None:
    """Send one template now, unless they have opted out."""
    with exit_with_message():
        from consumer.commands import send as command

        person = command.Recipient(phone=phone, name=name, action=action)
        raise typer.Exit(command.main(config, person, wait_seconds=timeout if wait else None))


Paused = Annotated[str | None, typer.Argument(metavar="[PROCESS]", help="One of them; everything unless named.")]


@app.command()
def pause(process: Paused = None, config: Config = CONFIG) -> None:
    """Let nothing go out for now: of one process, or at all."""
    with exit_with_message():
        from consumer.commands import pause as command

        raise typer.Exit(command.pause(config, process))


@app.command()
def resume(process: Paused = None, config: Config = CONFIG) -> None:
    """Let it go out again."""
    with exit_with_message():
        from consumer.commands import pause as command

        raise typer.Exit(command.resume(config, process))


@app.command()
def resolve(
    reminder: Annotated[str | None, typer.Argument(help="One reminder, by its id.")] = None,
    since: Annotated[str | None, typer.Option(help="All tried from then on: 2026-03-01T09:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="All that were tried before this moment.")] = None,
    sent: Annotated[
        bool | None, typer.Option("--sent/--not-sent", help="Whether they reached people; what did not is tried again.")
    ] = None,
    config: Config = CONFIG,
) -> None:
    """Settle reminders that nobody could find out about."""
    with exit_with_message():
        from consumer.commands import resolve as command
        from consumer.ledger.queries.reminders import UnresolvedSelection

        if sent is None or (reminder is None) == (since is None or until is None):
            raise typer.BadParameter("name a REMINDER, or both --since and --until; and say --sent or --not-sent")
        first, last = (None if text is None else command.parse_time(text) for text in (since, until))
        which = UnresolvedSelection(reminder_id=reminder, since=first, until=last)
        raise typer.Exit(command.main(config, which, sent=sent))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 0,
    faults: Annotated[str, typer.Option(help="What goes wrong how often, see above: seed=7,slow=0.1,5xx=0.05.")] = "",
    latency: Annotated[int, typer.Option(min=0, help="Milliseconds before every answer to a send.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed, other fates.")] = 0,
    webhook_host: Annotated[
        list[str] | None, typer.Option(help="A host that may be called back beside this machine; may be repeated.")
    ] = None,
) -> None:
    """Run a stand-in for 1MSG.

    Its first line is JSON and says where it is and how to talk to it.

    --faults takes rates from 0 to 1 of all sends, and a seed: the same seed, the same faults.

    \b
    What becomes of the answer (one of these for a send, so at most 1 together):
      hangup        accepted, and the connection is closed without an answer
      5xx           502; every second such message was accepted
      queued        sent:false with a jobId; every second one goes out
      html          200 with HTML; every second one was accepted
      no_id         sent:true without an id, accepted
      created       201 instead of 200, accepted
      refuse        sent:false without a jobId
      string_false  sent:"false"
      429           too many requests; 429_after: with Retry-After

    \b
    Beside that, each on its own:
      slow          the answer comes slow_ms later (1500)
      dup           every callback comes twice
      reorder       the statuses come in the opposite order
      early         the first status comes before the answer
      foreign       a callback for somebody else's message comes too
      lost          a callback, or every one, never comes

    \b
    lapse sandbox --faults seed=7,slow=0.1,hangup=0.02,dup=0.2,slow_ms=3000
    """
    with exit_with_message():
        from consumer.commands import sandbox as command

        hosts = webhook_host or []
        raise typer.Exit(command.main(host, port, faults=faults, latency=latency, seed=seed, webhook_hosts=hosts))


@app.command()
def demo(
    seconds: Annotated[int | None, typer.Option(min=1, help="Stop by itself after so long.")] = None,
) -> None:
    """Show it all at work on this machine, with nothing installed."""
    with exit_with_message():
        from consumer.commands import demo as command

        raise typer.Exit(command.main(seconds))


@app.command()
def brake(
    what: Annotated[Literal["status", "release"], typer.Argument(help="Say what is held back, or let it go.")],
    config: Config = CONFIG,
    url: Annotated[str | None, typer.Option(help="Another replica: http://its-host:8080.")] = None,
) -> None:
    """What detect holds back while its input looks broken."""
    with exit_with_message():
        from consumer.commands import brake as command

        raise typer.Exit((command.status if what == "status" else command.release)(config, url))


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ✓ and ✗ shows question marks
    app(prog_name="lapse")


if __name__ == "__main__":
    main()
