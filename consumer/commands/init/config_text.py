"""Writes `lapse.yaml`: what was found and answered, with a comment for whoever reads it next."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}


@dataclass(frozen=True, slots=True)
class ProcessAnswer:
    """What one process is: its {{2}}, its steps, and the names of the events that mean something for it."""

    name: str
    action: str
    remind_after: Sequence[str]
    active_on: Sequence[str] = ()
    complete_on: Sequence[str] = ()
    cancel_on: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """The 1MSG channel and the template that it sends."""

    channel_id: str
    namespace: str
    template: str
    language: str
    base_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Everything that the file says. `paths` are the keys of `source`; empty for events of Lapse's own schema."""

    bootstrap_servers: str
    client: Mapping[str, str] = field(default_factory=dict)
    topic: str
    format: str
    paths: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    registry: str | None = None
    registry_user: str | None = None
    schemas: Sequence[str] = ()
    processes: Sequence[ProcessAnswer] = ()
    channel: ChannelAnswer | None = None


def config_text(a: Answers) -> str:
    """Return the file's content."""
    return "\n".join([_HEAD, *_kafka(a), *_source(a), *_processes(a), *_channel(a.channel), _TAIL])


def scalar(text: str) -> str:
    """Return a text as YAML reads it back."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else json.dumps(text, ensure_ascii=False)


_HEAD = """\
# Written by `lapse init`. `lapse check` says whether it fits your data; docs/configuration.md lists every setting.
# Any key can be overridden by a variable: LAPSE_KAFKA__BOOTSTRAP_SERVERS, LAPSE_PROCESSES__CHECKOUT__REMIND_AFTER.
# Secrets must not be written here: {env: NAME} names a variable, {file: /path} a file that holds nothing else.
"""

_TAIL = """
# Before anybody is written to, these are worth a thought (the values are the defaults):
# policy:
#   require_opt_in: true                  # only contacts with opt_in: true
#   default_region: null                  # the country of phone numbers without a country code, such as ES
#   send_window: null                     # {from: "09:00", to: "20:00", days: [mon, tue, wed, thu, fri]}
#   max_per_user: {24h: 1}
#   only_users: null                      # for a first launch: these users only: [user-1, user-2]
#   dry_run: false                        # true: decide and publish everything, send nothing
# web:
#   port: 8080                            # console, health, metrics
#   webhook_secret: {env: LAPSE_WEBHOOK_SECRET}   # 1MSG reports at <public_url>/webhooks/1msg/<secret>
"""


def _kafka(a: Answers) -> list[str]:
    lines = ["kafka:", f"  bootstrap_servers: {scalar(a.bootstrap_servers)}"]
    if a.client:
        lines += ["  client:", *(f"    {key}: {scalar(value)}" for key, value in a.client.items())]
    if a.registry:
        lines += ["", "schema_registry:", f"  url: {scalar(a.registry)}"]
        if a.registry_user:
            lines += [f"  user: {scalar(a.registry_user)}", "  password: {env: REGISTRY_PASSWORD}"]
    return [*lines, ""]


def _source(a: Answers) -> list[str]:
    lines = ["source:                                   # what your platform writes about its users"]
    lines += [f"  topic: {scalar(a.topic)}", f"  format: {a.format}"]
    for key, path in a.paths.items():
        example = a.examples.get(key)
        lines.append(_commented(f"  {key}: {scalar(path)}", f"such as {example}" if example else ""))
    if a.schemas:
        lines.append(f"  schemas: [{', '.join(map(scalar, a.schemas))}]")
    lines.append("  # backfill: 24h                         # the first start also reminds of lapses of the last day;")
    lines.append("  #                                       # by default it writes to nobody about the past")
    return [*lines, ""]


def _processes(a: Answers) -> list[str]:
    lines = ["processes:                                # what a user can leave unfinished"]
    for process in a.processes:
        lines.append(f"  {scalar(process.name)}:")
        lines.append(_commented(f"    action: {scalar(process.action)}", "the template's {{2}}: what is unfinished"))
        steps = f"    remind_after: [{', '.join(process.remind_after)}]"
        lines.append(_commented(steps, "after the user's last activity; each step is sent once"))
        named = (
            ("active_on", process.active_on, "the user works on it"),
            ("complete_on", process.complete_on, "it is finished: nobody is reminded any more"),
            ("cancel_on", process.cancel_on, "it is given up: likewise"),
        )
        for key, names, meaning in named:
            if names:
                lines.append(_commented(f"    {key}: [{', '.join(map(scalar, names))}]", meaning))
    return [*lines, ""]


def _channel(channel: ChannelAnswer | None) -> list[str]:
    if channel is None:
        return [
            "# Without this section only `lapse run --role detect` works. The token is read from the variable.",
            "# onemsg:",
            "#   channel_id: CHANGE-ME",
            "#   token: {env: ONEMSG_TOKEN}",
            "#   template: {name: inactivity_reminder, namespace: CHANGE-ME, language: en}",
        ]
    return [
        "onemsg:",
        *([f"  base_url: {scalar(channel.base_url)}"] if channel.base_url else []),
        _commented(f"  channel_id: {scalar(channel.channel_id)}", "the part of its 1MSG address after the host"),
        "  token: {env: ONEMSG_TOKEN}",
        _commented("  template:", "with two variables: {{1}} the name, {{2}} the action"),
        f"    name: {scalar(channel.template)}",
        f"    namespace: {scalar(channel.namespace)}",
        f"    language: {scalar(channel.language)}",
    ]


def _commented(line: str, comment: str) -> str:
    return f"{line:<41} # {comment}" if comment else line
