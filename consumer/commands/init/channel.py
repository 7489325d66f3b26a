"""The 1MSG channel and its template: given, found out from the channel, or asked for."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from consumer.commands.init.config_text import ChannelAnswer
from consumer.commands.terminal.output import print_line, print_text
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.templates.listing import Template
from consumer.onemsg.templates.preflight import VARIABLES

TOKEN_VARIABLE = "ONEMSG_TOKEN"  # noqa: S105 - the name of a variable
_DEFAULT_URL: str = OneMsgSettings.model_fields["base_url"].default
_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The 1MSG channel as given; None where it is to be asked for."""

    channel_id: str | None = None
    namespace: str | None = None
    template: str | None = None
    language: str | None = None
    base_url: str | None = None


def find_channel(given: Channel, *, ask: bool) -> ChannelAnswer | None:
    """Return the channel, None if it is to be filled in later."""
    channel_id = given.channel_id
    if channel_id is None and ask:
        print_text("\nThe 1MSG channel that sends (leave it empty to fill it in later).")
        channel_id = str(typer.prompt("Channel id", default="", show_default=False))
    if not channel_id:
        return None
    template = _find_template(given, channel_id)
    namespace = given.namespace or (template.namespace if template else None)
    name, language = given.template or (template and template.name), given.language or (template and template.language)
    if ask:
        name = name or str(typer.prompt("Name of the template", default="inactivity_reminder"))
        namespace = namespace or str(typer.prompt("Namespace of the template (1MSG shows it)"))
        language = language or str(typer.prompt("Language of the template", default="en"))
    if not namespace:
        raise typer.BadParameter(
            f"is missing: 1MSG shows it beside the template. With the token in {TOKEN_VARIABLE} it is looked up",
            param_hint="--namespace",
        )
    return ChannelAnswer(channel_id, namespace, name or "inactivity_reminder", language or "en", given.base_url)


def _find_template(given: Channel, channel_id: str) -> Template | None:
    """Return the approved template with the two variables that is meant, if the token is at hand and there is one."""
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return None
    try:
        listed = asyncio.run(_templates(given.base_url or _DEFAULT_URL, channel_id, token))
    except OneMsgError as problem:
        print_line(f"1MSG does not list its templates: {problem}")
        return None
    wanted = [t for t in listed if t.sendable and t.variables == VARIABLES and given.template in (None, t.name)]
    language = given.language or "en"
    found = min(wanted, key=lambda t: (t.language != language, t.name != "inactivity_reminder"), default=None)
    if found is None:
        print_line("No approved template on this channel has exactly the two variables {{1}} and {{2}}.")
    else:
        print_line(f"Template: {found.name} ({found.language}), one of {len(wanted)} that fit: {found.body}")
    return found


async def _templates(base_url: str, channel_id: str, token: str) -> Sequence[Template]:
    async with OneMsgClient(base_url=base_url, channel_id=channel_id, token=token, timeout_ms=_TIMEOUT_MS) as client:
        return (await client.templates()).templates
