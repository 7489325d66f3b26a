"""Options and help of the commands with subcommands: `lapse contacts import`, `lapse dead-letters list`, …"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.commands.terminal.exit_codes import exit_with_message

if TYPE_CHECKING:
    from consumer.commands.operations.opt_outs import Who

Config = Annotated[Path, typer.Option("--config", "-c", envvar="LAPSE_CONFIG", help="The file with the settings.")]
CONFIG = Path("lapse.yaml")

contacts = typer.Typer(help="Import contacts from a CSV file, or delete them.", no_args_is_help=True)


@contacts.command("import")
def import_contacts(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="The CSV file.")
    ],
    config: Config = CONFIG,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the contacts of the users in the file; its only column is user_id.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the rows; write nothing.")] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="A column's name in the file, and Lapse's: 'Phone Number=phone'. May be repeated.",
        ),
    ] = None,
    skip_bad: Annotated[
        Path | None,
        typer.Option("--skip-bad", metavar="FILE", help="Write invalid rows to this new file, and import the others."),
    ] = None,
) -> None:
    """Import contacts from a CSV file, all or none.

    The file is UTF-8, separated by commas, semicolons or tabs, with up to 500,000 rows. Its first line names the
    columns: user_id, and any of name, phone, locale, timezone, email, opt_in, opted_in_at, updated_at.

    Columns that the file does not have keep what is known. An empty cell deletes it, but says nothing about consent:
    opt_in is yes or no, true or false, 1 or 0, or empty. opted_in_at is when the person themselves last agreed, and
    lifts their opt-outs from before; updated_at is when the row was true, now if empty. Times are in ISO 8601 (in UTC
    if they name no zone) or milliseconds since 1970. A phone number needs its country code unless
    policy.default_region is set.

    If rows are invalid, each is reported by its line, and nothing is written, unless --skip-bad is given.

    With --map, all other columns whose names Lapse does not know are ignored; without it they are an error.
    --map "Time Zone=" ignores a column whose name is like one of Lapse's.
    """
    with exit_with_message():
        from consumer.commands.contacts import import_file as command

        raise typer.Exit(
            command.main(config, file, delete=delete, dry_run=dry_run, mapping=mapping or (), skip_bad=skip_bad)
        )


dead_letters = typer.Typer(help="Show records that could not be read, or replay them.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help="Only records with this reason, such as unknown_schema.")]
Topic = Annotated[str | None, typer.Option(help="Only records from this topic.")]
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only records set aside since then: 24h (ago), or 2026-03-29T14:00Z.")
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Only records set aside before then.")]


@dead_letters.command("list")
def list_dead_letters(
    config: Config = CONFIG,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 50,
    show: Annotated[
        bool, typer.Option("--show", help="Show the first 200 bytes of each; they may contain personal data.")
    ] = False,
) -> None:
    """Show records that could not be read, and why."""
    with exit_with_message():
        from consumer.commands.dead_letters import list as command
        from consumer.commands.dead_letters import selection as common

        chosen = common.parse_filter(reason=reason, topic=topic, since=since, until=until)
        raise typer.Exit(command.main(config, chosen, limit=limit, show=show))


@dead_letters.command("replay")
def replay_dead_letters(
    config: Config = CONFIG,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Replay records of the input that could not be read.

    Run it after the cause is fixed. Each record that still stands in the input goes back at most once, into its
    partition, however often this is run. Records of other topics stay: have what wrote them write them again.
    """
    with exit_with_message():
        from consumer.commands.dead_letters import replay as command
        from consumer.commands.dead_letters import selection as common

        chosen = common.parse_filter(reason=reason, topic=topic, since=since, until=until)
        raise typer.Exit(command.main(config, chosen, yes=yes))


opt_outs = typer.Typer(help="Show, enter or lift opt-outs.", no_args_is_help=True)

User = Annotated[str | None, typer.Argument(metavar="USER", help="The user's id.")]
ByPhone = Annotated[str | None, typer.Option("--phone", help="The person's number, in place of USER.")]
Why = Annotated[str, typer.Option("--why", help="Why, for whoever looks later: 'phoned on 3 March'.")]


def _person(user: str | None, phone: str | None) -> "Who":
    from consumer.commands.operations.opt_outs import Who

    if (user is None) == (phone is None):
        raise typer.BadParameter("give USER, or --phone")
    return Who(user_id=user, phone=phone)


@opt_outs.command("list")
def list_opt_outs(user: User = None, phone: ByPhone = None, config: Config = CONFIG) -> None:
    """Show who has opted out.

    Shows everybody, or one person with what operators did. Numbers and mailboxes are shown by the beginning of their
    keyed hash. The exit status is 1 if nobody has.
    """
    with exit_with_message():
        from consumer.commands.operations import opt_outs as command

        raise typer.Exit(command.show(config, _person(user, phone) if user or phone else None))


@opt_outs.command("add")
def add_opt_out(why: Why, user: User = None, phone: ByPhone = None, config: Config = CONFIG) -> None:
    """Record that a person asked for no more messages.

    It counts for their user id, their number and every user with it, on every medium, until they take it back.
    No e-mail goes to USER's address any more, whoever else has it.
    """
    with exit_with_message():
        from consumer.commands.operations import opt_outs as command

        raise typer.Exit(command.add(config, _person(user, phone), why))


@opt_outs.command("lift")
def lift_opt_out(why: Why, user: User = None, phone: ByPhone = None, config: Config = CONFIG) -> None:
    """Lift the opt-out of a person who asked to be written to again.

    Only the person can ask for that. The exit status is 1 if they had not opted out.
    """
    with exit_with_message():
        from consumer.commands.operations import opt_outs as command

        raise typer.Exit(command.lift(config, _person(user, phone), why))


ledger = typer.Typer(help="Manage the ledger, deliver's database.", no_args_is_help=True)


@ledger.command()
def begin(config: Config = CONFIG) -> None:
    """Start anew after the ledger was lost.

    Reminders that were requested before are not sent: nobody knows which of them were sent already. Stop deliver first.
    """
    with exit_with_message():
        from consumer.commands.operations import ledger as command

        raise typer.Exit(command.begin(config))


@ledger.command("key")
def ledger_key(config: Config = CONFIG) -> None:
    """Print the key by which the ledger knows phone numbers.

    Keep it outside of the ledger. It is a secret: write it to a file that only Lapse may read, set ledger.hash_key to
    that, and start Lapse again. The ledger then forgets it. A new ledger with the same key still knows the numbers of
    those who opted out.
    """
    with exit_with_message():
        from consumer.commands.operations import ledger as command

        raise typer.Exit(command.key(config))


state = typer.Typer(help="Manage detect's state, kept on a Kafka topic.", no_args_is_help=True)


@state.command()
def rebuild(
    config: Config = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only show what would be done.")] = False,
) -> None:
    """Rebuild detect's state from the input topic.

    Detect drops its state (who was last seen when) and reads the input again from its first record. Stop detect first.
    """
    with exit_with_message():
        from consumer.commands.operations import state as command

        raise typer.Exit(command.rebuild(config, yes=yes))


GROUPS = {"contacts": contacts, "dead-letters": dead_letters, "ledger": ledger, "opt-outs": opt_outs, "state": state}
"""The commands with subcommands, by name."""
