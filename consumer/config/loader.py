"""Reads `lapse.yaml` and the environment into `Settings`, and reports all mistakes at once.

A variable `LAPSE_SECTION__KEY` replaces the file's value of that key. Secrets come from environment variables or from
files of their own; `lapse.yaml` must not contain one.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from consumer import bounded_file
from consumer.config import strict_yaml
from consumer.config.errors import (
    SECRET_ADVICE,
    ConfigError,
    KeyPath,
    closest,
    explain,
    fields_of,
    format_path,
    is_section,
    keys_of,
    shape,
    shape_at,
    unknown_key,
)
from consumer.config.placeholders import PLACEHOLDER
from consumer.config.sections.template import Action
from consumer.config.settings import Settings
from consumer.config.types import Secret

__all__ = ["CLIENT_SECRETS", "ConfigError", "load", "read_secret"]

PREFIX = "LAPSE_"
CLIENT_SECRETS = {"sasl.password", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config"}
CLIENT_SECRETS |= {"ssl.key.password", "ssl.key.pem", "ssl.keystore.password"}
"""The keys of `kafka.client` whose values are secrets."""

SHORTEST_SECRET = 16
MAX_SECRET_BYTES = 10_000
_GUESSABLE = {"web.webhook_secret", "web.other_webhook_secret", "web.api_token", "fallback.webhook.secret"}
_GUESSABLE |= {"topics.state_key", "ledger.hash_key"}
"""Secrets that we choose and others try: a short one is found by trying."""

_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@|[?&](?:\w*password|\w*token|\w*secret)=", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in the file `path`, with those of the environment over them.

    Raises:
        ConfigError: with one line for each problem.
    """
    document = strict_yaml.read(path)
    draft = _Draft(document)
    draft.refuse_secrets(draft.data, ())
    draft.overlay(environ)
    draft.data.setdefault("ledger", {})  # its default is a file in that folder, too
    try:
        settings = Settings.model_validate(draft.data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        for place, text in sorted(explain(error, draft.data), key=lambda found: document.line(found[0])):
            draft.problem(place, text)
    if draft.problems:
        raise ConfigError(draft.problems)
    draft.note_places(settings)
    return settings


def read_secret(secret: Secret, key: str, environ: Mapping[str, str] = os.environ) -> SecretStr:
    """Return the secret from where the configuration says it is. `key` is the setting's name.

    Raises:
        ConfigError: it is missing, empty or too short to be safe, or cannot be sent in an HTTP header.
    """
    place = secret.place or key
    if secret.value is not None:
        text = secret.value.get_secret_value().strip()
    elif secret.env is not None:
        text = environ.get(secret.env, "").strip()
    else:
        text = _read_secret_file(secret.file or Path(), place)
    if not text and secret.env is not None:
        # If this is no variable's name, it may be the secret itself, which no message may show.
        name = secret.env if _VARIABLE.fullmatch(secret.env) else "named there"
        raise ConfigError([f"{place}: the environment variable {name} is not set or empty"])
    if not text:
        raise ConfigError([f"{place}: its file is empty"])
    if PLACEHOLDER in text.upper():
        raise ConfigError([f"{place}: is still {PLACEHOLDER}: set your own value"])
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        # The HTTP client would refuse it too, with the secret in the exception's text.
        raise ConfigError([f"{place}: contains a space, a line break or a non-ASCII character: was it copied right?"])
    if key in _GUESSABLE and len(text) < SHORTEST_SECRET:
        why = f"is shorter than {SHORTEST_SECRET} characters: use at least that many random ones"
        raise ConfigError([f"{place}: {why}"])
    return SecretStr(text)


def ledger_hash_key(settings: Settings) -> str | None:
    """Return the key of the ledger's hashes; None if the ledger has one of its own. Raises ConfigError."""
    secret = settings.ledger.hash_key
    return None if secret is None else read_secret(secret, "ledger.hash_key").get_secret_value()


def _read_secret_file(file: Path, place: str) -> str:
    try:
        return bounded_file.read_text(file, MAX_SECRET_BYTES).strip()
    except UnicodeDecodeError:
        raise ConfigError([f"{place}: its file is not a text file"]) from None
    except OSError as error:
        name = f"{file}" if "/" in str(file) else "its file"
        raise ConfigError([f"{place}: cannot read {name}: {error.strerror}"]) from None


class _Draft:
    """The file's content, changed step by step into what is validated."""

    def __init__(self, document: strict_yaml.Document) -> None:
        self._document = document
        # YAML reads a section whose keys are all commented out as null.
        self.data = {name: value for name, value in document.data.items() if value is not None}
        self.problems = list(document.problems)
        self._origins: dict[KeyPath, str] = {}

    def problem(self, path: KeyPath, text: str) -> None:
        self.problems.append(f"{self._where(path)}: {text}")

    def _where(self, path: KeyPath) -> str:
        """Return the variable that set the key, or else the key's line in the file."""
        for depth in range(len(path), 0, -1):
            if variable := self._origins.get(path[:depth]):
                return ": ".join(filter(None, [variable, format_path(path[depth:])]))
        return f"{self._document.where(path)}: {format_path(path)}" if path else self._document.file

    def note_places(self, section: BaseModel, path: KeyPath = ()) -> None:
        """Tell each secret of the section where it was set."""
        for name, value in section:
            if isinstance(value, Secret):
                value.note_place(self._where((*path, name)))
            elif isinstance(value, BaseModel):
                self.note_places(value, (*path, name))

    def refuse_secrets(self, place: dict[str, Any], path: KeyPath) -> None:
        """Report secrets that are written in the file, and remove them so that no message can show them."""
        for key, value in place.items():
            here = (*path, key)
            advice, harmless = _refusal(here, value)
            if advice:
                self.problem(here, advice)
                place[key] = harmless
            elif isinstance(value, dict):
                self.refuse_secrets(value, here)

    def overlay(self, environ: Mapping[str, str]) -> None:
        """Replace values by those of the environment: whole sections first, then single keys."""
        secret_variables = set(_variables_named_in(self.data))
        names = [n for n in environ if n.upper().startswith(PREFIX) and n not in secret_variables]
        for name in sorted(names, key=lambda name: (name.count("__"), name)):
            rest, text = name[len(PREFIX) :].lower(), environ[name]
            if "__" in rest or rest in keys_of(Settings):
                self._override(name, rest.split("__"), text)
            elif (meant := _with_two_underscores(rest)) and "://" not in text:
                # Kubernetes itself sets LAPSE_WEB_PORT=tcp://… if there is a service called lapse-web.
                self.problems.append(f"{name}: did you mean {meant}? Two underscores separate a section from its key")

    def _override(self, name: str, parts: list[str], text: str) -> None:
        path: KeyPath = ()
        place: Any = self.data
        for part in parts[:-1]:
            path = self._step(name, path, place, part)
            if not path:
                return
            place = _opened(place, path)
        path = self._step(name, path, place, parts[-1], last=True)
        if path:
            self._origins[path] = name
            try:
                place[path[-1]] = _value(path, text)
            except yaml.YAMLError:
                self.problem(path, "is neither JSON nor YAML")

    def _step(self, name: str, path: KeyPath, place: dict[str, Any], part: str, last: bool = False) -> KeyPath:
        """Return the path one key further; report a problem and return () if there is no such key."""
        key, complaint = _key(path, list(place), part, last=last)
        if complaint:
            self.problems.append(f"{name}: {complaint}")
        return (*path, key) if key else ()


def _opened(place: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    """Return the value at `path` as a dictionary that keys can be put into."""
    kind, key = shape_at(path), str(path[-1])
    below = place.get(key)
    if not is_section(kind) and get_origin(kind) is not dict:
        return {}
    if not isinstance(below, dict) or kind is Secret:  # a secret is replaced as a whole: it has one source
        place[key] = below = {}
    return below


def _refusal(path: KeyPath, value: Any) -> tuple[str, Any]:
    """Return why this value must not be in a file and what to do instead ("" if it may), and a value to go on with."""
    names = [_canonical(str(key)).upper() for key in path]
    variable = PREFIX + "__".join(names)
    given = value is not None and (not isinstance(value, dict) or "value" in value)
    if given and shape_at(path) is Secret:
        advice = SECRET_ADVICE.format(variable="_".join(names))
        return f"a secret must not be written in the file: {advice}", {"env": "REFUSED"}
    if path[:2] == ("kafka", "client") and path[-1] in CLIENT_SECRETS:
        return f"a secret must not be written in the file: set the variable {variable}", ""
    if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
        return f"a password must not be written in the file: set the whole value as the variable {variable}", ""
    return "", value


def _variables_named_in(place: Any) -> Iterator[str]:
    """Yield the names in every `{env: NAME}`: such a variable is a secret and overrides nothing, whatever its name."""
    for key, value in place.items() if isinstance(place, dict) else ():
        if key == "env" and isinstance(value, str):
            yield value
        yield from _variables_named_in(value)


def _with_two_underscores(rest: str) -> str | None:
    """Return the variable that `kafka_bootstrap_servers` was meant to be; None if no section and key fit."""
    for section in keys_of(Settings):
        key = rest.removeprefix(f"{section}_")
        if key != rest and key in keys_of(shape_at((section,))):
            return f"{PREFIX}{section}__{key}".upper()
    return None


def _key(path: KeyPath, present: list[str], part: str, *, last: bool) -> tuple[str | None, str | None]:
    """Return the key that a part of a variable's name stands for, or a message if there is none."""
    kind = shape_at(path)
    if is_section(kind):
        known = keys_of(kind)
        return (part, None) if part in known else (None, f"{part}: {unknown_key(part, known)}")
    if get_origin(kind) is not dict:
        return None, f"{format_path(path)} contains no keys: set it as a whole"
    found = [key for key in present if _canonical(key) == _canonical(part)]
    if found:
        return found[0], None
    if path == ("kafka", "client"):
        return part.replace("_", "."), None
    if last:
        return part, None
    meant = closest(part, present)
    return None, f"{format_path(path)} has no {part}" + (f"; did you mean {meant}?" if meant else "")


def _canonical(key: str) -> str:
    # Names of variables have no hyphens or dots: LAPSE_PROCESSES__ACCOUNT_SETUP__ACTION is for account-setup.
    return re.sub(r"[^a-z0-9]", "_", key.lower())


def _value(path: KeyPath, text: str) -> Any:
    """Return a variable's text as a value of its key's type.

    Raises:
        yaml.YAMLError: the key is a list or a section, and the text is neither JSON nor YAML.
    """
    kind = shape_at(path)
    if kind is Secret:
        return strict_yaml.parse(text) if text.startswith("{") else text
    if get_origin(kind) is tuple and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",")]
    if is_section(kind) or get_origin(kind) in (dict, tuple) or (kind == shape(Action) and text.startswith("{")):
        return strict_yaml.parse(text)
    return None if text in ("", "null") and _takes_null(path) else text


def _takes_null(path: KeyPath) -> bool:
    above = shape_at(path[:-1])
    return is_section(above) and NoneType in get_args(fields_of(above)[str(path[-1])].annotation)
