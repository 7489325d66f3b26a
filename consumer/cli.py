"""The command `lapse`: its options and help. `consumer/commands/` has what each command does.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration. A command's modules are imported when it runs, so that
`lapse --help` answers at once.
"""

import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

import typer

from consumer.commands import getting_started, insight
from consumer.commands.subcommands import CONFIG, GROUPS, Config
from consumer.commands.terminal.exit_codes import exit_with_message

app = typer.Typer(
    help="Notice people who stopped in the middle of something, and remind each of them once, on WhatsApp.\n\n"
    "To begin, run `lapse demo`, which needs no settings. For your own data: `lapse init`, `lapse check`, `lapse run`.",
    no_args_is_help=True,
    add_completion=True,
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
            typer.echo("lapse, run from its source without installation")
        raise typer.Exit


@app.callback()
def _lapse(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def demo(
    seconds: Annotated[int | None, typer.Option(min=1, help="Stop after so many seconds. Default: at Ctrl-C.")] = None,
) -> None:
    """See everything at work on this machine.

    Runs the service with an embedded broker, a stand-in for 1MSG and a few hundred invented people.
    """
    with exit_with_message():
        from consumer.commands import demo as command

        raise typer.Exit(command.main(seconds))


@app.command("demo-activity", hidden=True)
def demo_activity(
    config: Config = CONFIG,
    people: Annotated[int, typer.Option(min=1, help="How many invented people there are.")] = 300,
) -> None:
    """Write contacts and activities of invented people to the broker of the settings, until Ctrl-C.

    For trying things out: never where Lapse can reach real phones.
    """
    with exit_with_message():
        from consumer.commands import demo_activity as command

        raise typer.Exit(command.main(config, people))


app.command()(getting_started.init)


@app.command()
def check(
    config: Config = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Check everything that the service needs.

    Prints a line for each thing, and how to fix what is wrong: broker, topics, the newest events and contacts, schema
    registry, ledger, 1MSG channel, templates, webhook, mail server. Changes nothing.
    """
    with exit_with_message():
        from consumer.commands.check import run_checks as command

        raise typer.Exit(command.main(config, as_json=as_json))


@app.command()
def topics(
    config: Config = CONFIG,
    create: Annotated[bool, typer.Option("--create", help="Create the missing ones.")] = False,
) -> None:
    """Show or create the topics that Lapse needs.

    With --create, missing ones get as many partitions as the activity topic, which has to exist.
    """
    with exit_with_message():
        from consumer.commands import topics as command

        raise typer.Exit(command.main(config, create=create))


app.command("try")(getting_started.try_out)


@app.command()
def run(
    config: Config = CONFIG,
    role: Annotated[
        Literal["detect", "deliver"] | None, typer.Option(help="Run only this role. Default: both.")
    ] = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    The role detect notices who has gone quiet; the role deliver sends reminders and follows them.
    """
    with exit_with_message():
        from consumer.commands import run as command

        raise typer.Exit(command.main(config, role))


@app.command()
def send(
    phone: Annotated[str, typer.Option(help="The phone number with its country code: '+34 600 123 456'.")],
    name: Annotated[str, typer.Option(help="The template's first variable, the person's name.")],
    action: Annotated[str, typer.Option(help="The template's second variable: what is unfinished.")],
    config: Config = CONFIG,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the message is delivered, read or failed.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="With --wait: how many seconds at most.")] = 60,
) -> None:
    """Send one template message to one person now.

    Nothing is sent to somebody who has opted out.
    """
    with exit_with_message():
        from consumer.commands import send as command

        person = command.Recipient(phone=phone, name=name, action=action)
        raise typer.Exit(command.main(config, person, wait_seconds=timeout if wait else None))


app.command()(getting_started.status)
for _command in insight.COMMANDS:
    app.command()(_command)

Paused = Annotated[str | None, typer.Argument(metavar="PROCESS", help="A process of lapse.yaml. Default: everything.")]


@app.command()
def pause(process: Paused = None, config: Config = CONFIG) -> None:
    """Hold back reminders of one process, or all."""
    with exit_with_message():
        from consumer.commands.operations import pause as command

        raise typer.Exit(command.pause(config, process))


@app.command()
def resume(process: Paused = None, config: Config = CONFIG) -> None:
    """End a pause; reminders that waited are sent.

    Those that have expired meanwhile are not.
    """
    with exit_with_message():
        from consumer.commands.operations import pause as command

        raise typer.Exit(command.resume(config, process))


@app.command()
def resolve(
    reminder: Annotated[str | None, typer.Argument(metavar="REMINDER", help="The id of one reminder.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Last tried then or later: 2026-03-01T09:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Last tried before then.")] = None,
    sent: Annotated[
        bool | None, typer.Option("--sent/--not-sent", help="Were they sent? Those that were not are tried again.")
    ] = None,
    config: Config = CONFIG,
) -> None:
    """Settle reminders with an unknown outcome.

    Check in 1MSG whether the messages were sent, then say so: for one REMINDER, or for all that were last tried between
    --since and --until. Only reminders with the status unresolved are changed.
    """
    with exit_with_message():
        from consumer.commands.operations import resolve as command
        from consumer.ledger.queries.operating.selections import UnresolvedSelection

        if sent is None or (reminder is None) == (since is None or until is None):
            raise typer.BadParameter("give one REMINDER, or both --since and --until; and --sent or --not-sent")
        first, last = (None if text is None else command.parse_time(text) for text in (since, until))
        which = UnresolvedSelection(reminder_id=reminder, since=first, until=last)
        raise typer.Exit(command.main(config, which, sent=sent))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: any free one.")] = 0,
    faults: Annotated[str, typer.Option(help="Faults and their rates, see above: seed=7,slow=0.1,5xx=0.05.")] = "",
    latency: Annotated[int, typer.Option(min=0, help="Milliseconds before each answer to a send.")] = 0,
    seed: Annotated[int, typer.Option(help="The seed for what becomes of each message.")] = 0,
    webhook_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host that may get webhooks, besides this machine. May be repeated."),
    ] = None,
) -> None:
    """Run a stand-in for 1MSG, for tests.

    It prints one line of JSON first: its address, channel and token. Point Lapse at it with LAPSE_ONEMSG__BASE_URL,
    LAPSE_ONEMSG__CHANNEL_ID and the token's variable. /_sandbox/messages shows what was sent to it, /_sandbox/stats
    counts it.

    --faults takes rates between 0 and 1, and a seed: with the same seed the same faults happen.

    \b
    Faults in the answer to a send, at most one for each (so at most 1 in all):
      hangup        accepted, but the connection is closed without an answer
      5xx           502; every second such message was accepted
      queued        sent:false with a jobId; every second one is sent later
      html          200 with HTML; every second one was accepted
      no_id         sent:true without an id, accepted
      created       201 instead of 200, accepted
      refuse        sent:false without a jobId
      string_false  sent:"false"
      429           too many requests; 429_after: with Retry-After

    \b
    Other faults, independent of each other:
      slow          the answer comes slow_ms later (default 1500)
      dup           each webhook call comes twice
      reorder       the statuses come in reverse order
      early         the first status comes before the answer
      foreign       a webhook call for an unknown message comes too
      lost          one webhook call of a message, or all, never come

    \b
    lapse sandbox --faults seed=7,slow=0.1,hangup=0.02,dup=0.2,slow_ms=3000
    """
    with exit_with_message():
        from consumer.commands import sandbox as command

        hosts = webhook_host or []
        raise typer.Exit(command.main(host, port, faults=faults, latency=latency, seed=seed, webhook_hosts=hosts))


@app.command()
def brake(
    what: Annotated[
        Literal["status", "release"],
        typer.Argument(metavar="status|release", help="Show what is held back, or release it."),
    ],
    config: Config = CONFIG,
    url: Annotated[
        str | None,
        typer.Option(help="A process that runs detect: http://its-host:8080. Default: web.host and web.port."),
    ] = None,
) -> None:
    """Show or release what detect's brake holds back.

    The brake holds lapses back while the input looks broken, because then silence says nothing about people.
    """
    with exit_with_message():
        from consumer.commands.operations import brake as command

        raise typer.Exit((command.status if what == "status" else command.release)(config, url))


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show ✓ and ✗ shows question marks
    app(prog_name="lapse")


if __name__ == "__main__":
    main()
