"""Options and help of the commands of the first hour: init, try and status."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.commands.subcommands import CONFIG, Config
from consumer.commands.terminal.exit_codes import exit_with_message


def init(
    topic: Annotated[str | None, typer.Option(help="The topic that says what users do. Default: asked for.")] = None,
    bootstrap: Annotated[
        str, typer.Option(envvar="LAPSE_KAFKA__BOOTSTRAP_SERVERS", help="The brokers.")
    ] = "localhost:9092",
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A librdkafka setting: security.protocol=SASL_SSL. May be repeated."),
    ] = None,
    registry: Annotated[str | None, typer.Option(metavar="URL", help="The Schema Registry.")] = None,
    registry_user: Annotated[
        str | None, typer.Option(help="Its user; the password is read from REGISTRY_PASSWORD.")
    ] = None,
    schema: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A writer's Avro schema, where there is no registry.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="PATH", help="Where events have the user's id: user.id.")] = None,
    time: Annotated[str | None, typer.Option(metavar="PATH", help="Where they have their time.")] = None,
    event: Annotated[str | None, typer.Option(metavar="PATH", help="Where they have their name.")] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(metavar="PROCESS=EVENT,…", help="Events that show that a user works on it. May be repeated."),
    ] = None,
    complete: Annotated[
        list[str] | None, typer.Option(metavar="PROCESS=EVENT,…", help="Events that complete it.")
    ] = None,
    cancel: Annotated[list[str] | None, typer.Option(metavar="PROCESS=EVENT,…", help="Events that cancel it.")] = None,
    action: Annotated[
        list[str] | None, typer.Option(metavar="PROCESS=TEXT", help="The template's {{2}}: what is unfinished.")
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option(metavar="PROCESS=24h,72h", help="When to remind. Default: 24h.")
    ] = None,
    channel_id: Annotated[str | None, typer.Option(help="The 1MSG channel.")] = None,
    template: Annotated[str | None, typer.Option(help="The template's name.")] = None,
    namespace: Annotated[str | None, typer.Option(help="The template's namespace.")] = None,
    language: Annotated[str | None, typer.Option(help="The template's language.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="1MSG's address, or the sandbox's.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("lapse.yaml"),
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing: for scripts.")] = False,
) -> None:
    """Write a configuration from a look at your topic.

    Reads the newest events (JSON, or Avro with or without a registry), proposes where they hold the user, the time and
    the event's name, and asks which events start, complete and cancel what. Nothing else is changed, and no file is
    overwritten. With ONEMSG_TOKEN set it looks for the template, too.

    \b
    lapse init --topic shop-events --no-input --start checkout=cart.updated --complete checkout=order.paid \\
      --after checkout=2h,24h --action 'checkout=your order'
    """
    with exit_with_message():
        from consumer.commands.init import command
        from consumer.commands.init.channel import Channel
        from consumer.commands.init.questions import ProcessFlags, parse_flag

        settings = parse_flag("--client", client or (), several=False)
        flags = ProcessFlags(
            start=parse_flag("--start", start or ()),
            complete=parse_flag("--complete", complete or ()),
            cancel=parse_flag("--cancel", cancel or ()),
            action=parse_flag("--action", action or (), several=False),
            after=parse_flag("--after", after or ()),
        )
        options = command.Options(
            output=output,
            bootstrap_servers=bootstrap,
            client={key: values[-1] for key, values in settings.items()},
            topic=topic,
            registry=registry,
            registry_user=registry_user,
            schemas=schema or (),
            paths={key: path for key, path in (("user", user), ("time", time), ("event", event)) if path},
            processes=flags,
            channel=Channel(
                channel_id=channel_id, namespace=namespace, template=template, language=language, base_url=base_url
            ),
            ask=not no_input,
        )
        raise typer.Exit(command.main(options))


def status(
    config: Config = CONFIG,
    user: Annotated[str | None, typer.Option(help="Only records about this user.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many, the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with each record that comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for jq.")] = False,
) -> None:
    """Show what became of each reminder.

    Reads the topic delivery-status and decodes it, oldest first. A user id that is a phone number is masked. Each
    reason is explained in docs/reasons.md; lapse explain tells the whole story of one user.

    \b
    lapse status --follow
    lapse status --json --limit 1000 | jq -r 'select(.final) | [.status, .reason] | @tsv' | sort | uniq -c
    """
    with exit_with_message():
        from consumer.commands import status as command

        raise typer.Exit(command.main(config, user=user, limit=limit, follow=follow, as_json=as_json))


def try_out(
    phone: Annotated[str, typer.Option(help="Your phone number with its country code: '+34 600 123 456'.")],
    config: Config = CONFIG,
    name: Annotated[str, typer.Option(help="The template's first variable, the person's name.")] = "Ana",
    process: Annotated[
        str | None, typer.Option(metavar="PROCESS", help="Whose template and text. Default: the first.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="Choose the template's language by it: es-ES.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="How many seconds at most until it is on the phone.")] = 120,
) -> None:
    """Send one message to your phone through the whole pipeline.

    An invented client goes quiet in a service of its own: own topics, own consumer groups and own ledger on the
    configured broker, and the configured channel and template. Each step is told, and everything is removed at the end.
    Nobody else can get a message from it, and nobody who has opted out gets one.
    """
    with exit_with_message():
        from consumer.commands.try_out import command

        client = command.Client(phone=phone, name=name, locale=locale)
        raise typer.Exit(command.main(config, client, process=process, timeout_s=timeout))
