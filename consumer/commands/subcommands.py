"""Commands of two words: `lapse contacts import`, `lapse dead-letters list`, … See `cli` for those of one."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.commands.terminal.exit_codes import exit_with_message

Config = Annotated[Path, typer.Option("--config", "-c", envvar="LAPSE_CONFIG", help="The YAML file with the settings.")]
CONFIG = Path("lapse.yaml")

contacts = typer.Typer(help="Import contacts from a file, or delete them.", no_args_is_help=True)


@contacts.command("import")
def import_contacts(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The CSV file.")],
    config: Config = CONFIG,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the contacts of these users: the file has a column user_id only.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look whether every row will do.")] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="THEIRS=OURS", help="A column's name in the file, and ours: 'Phone Number=phone'."
        ),
    ] = None,
    skip_bad: Annotated[
        Path | None, typer.Option("--skip-bad", metavar="FILE", help="Import the others, and write refused rows there.")
    ] = None,
) -> None:
    """Put the contacts of a CSV file onto their topic, all of them or none.

    UTF-8, separated by commas, semicolons or tabs, up to 500,000 rows. The first line names the columns: user_id, and
    whichever there are of name, phone, locale, timezone, email, opt_in, updated_at.

    A contact is replaced as a whole: what the file leaves empty is forgotten. opt_in is yes or no, true or false,
    1 or 0; empty means no. updated_at is a time in ISO 8601 (UTC unless it says otherwise) or milliseconds since 1970;
    empty means now. A phone needs its country code unless policy.default_region is set.

    If a row will not do, each such row is named, and nothing is written, unless --skip-bad names a file for them.

    With --map, columns that have neither our name nor one of these are left out.
    """
    with exit_with_message():
        from consumer.commands.contacts import import_file as command

        raise typer.Exit(
            command.main(config, file, delete=delete, dry_run=dry_run, mapping=mapping or (), skip_bad=skip_bad)
        )


dead_letters = typer.Typer(help="Show what could not be read, or put it back onto its topic.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help="Only those set aside for this reason, such as unknown_schema.")]
Topic = Annotated[str | None, typer.Option(help="Only those that came from this topic.")]
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only those set aside since: 24h (ago), or 2026-03-29T14:00Z.")
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Only those set aside before.")]


@dead_letters.command("list")
def list_dead_letters(
    config: Config = CONFIG,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest.")] = 50,
    show: Annotated[
        bool, typer.Option("--show", help="Show the first 200 bytes of each; they may name people.")
    ] = False,
) -> None:
    """Show what could not be read, where it came from, and why."""
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put what could not be read back onto its topic, each record at most once, however often this is called."""
    with exit_with_message():
        from consumer.commands.dead_letters import replay as command
        from consumer.commands.dead_letters import selection as common

        chosen = common.parse_filter(reason=reason, topic=topic, since=since, until=until)
        raise typer.Exit(command.main(config, chosen, yes=yes))


ledger = typer.Typer(help="The database in which deliver knows what was done.", no_args_is_help=True)


@ledger.command()
def begin(config: Config = CONFIG) -> None:
    """Begin with an empty ledger where another one was lost: nothing asked for up to now is sent."""
    with exit_with_message():
        from consumer.commands import ledger as command

        raise typer.Exit(command.begin(config))


state = typer.Typer(help="What detect remembers, kept on its state topic.", no_args_is_help=True)


@state.command()
def rebuild(
    config: Config = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")] = False,
) -> None:
    """Have detect read its history anew, from the first record that the input topic still has."""
    with exit_with_message():
        from consumer.commands import state as command

        raise typer.Exit(command.rebuild(config, yes=yes))


GROUPS = {"contacts": contacts, "dead-letters": dead_letters, "ledger": ledger, "state": state}
"""By the first of the two words."""
