"""Message templates: what `GET /templates` says of them (contract §4), and whether ours can be sent."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumer.onemsg.http import lenient_json as lenient

VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
"""`{{1}}`, or `{{name}}` in a template with named variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """`kind` in capitals: URL, QUICK_REPLY, PHONE_NUMBER, COPY_CODE, …"""

    kind: str
    text: str | None = None
    url: str | None = None

    @property
    def needs_parameter(self) -> bool:
        """A URL with a variable, or a code to copy; a static URL needs none (contract §2)."""
        return self.kind in ("COPY_CODE", "OTP") or bool(self.url and VARIABLE.search(self.url))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template in one language. Status and category in capitals; an empty status or None: it was not said."""

    name: str
    language: str
    namespace: str | None
    status: str
    category: str | None
    variables: tuple[str, ...]
    """The distinct variables of the body, in the order in which they come."""
    body: str
    buttons: tuple[Button, ...] = ()
    header_needs_parameter: bool = False

    @property
    def sendable(self) -> bool:
        """Whatever case it is written in, only APPROVED can be sent (contract §4)."""
        return self.status == "APPROVED"

    @property
    def marketing(self) -> bool:
        """Whether the marketing rules apply (contract §11). A category that nobody states could be that."""
        return self.category in (None, "MARKETING")


@dataclass(frozen=True, slots=True)
class TemplateListing:
    """What a channel shows of its templates; `complete` only if nothing can have been left out."""

    templates: tuple[Template, ...]
    complete: bool


def page_entries(answer: object) -> list[object] | None:
    """The entries of one page: the root is an object with `templates`, or a bare array. None for anything else."""
    listed = lenient.mapping(answer).get("templates") if isinstance(answer, dict) else answer
    return listed if isinstance(listed, list) else None


def entry_key(entry: object) -> object:
    """What tells entries of different pages apart: id, name and language (contract §4)."""
    given = lenient.mapping(entry)
    return lenient.identifier(given.get("id")), lenient.text(given.get("name")), _language(given)


def parse_templates(entries: Iterable[object]) -> tuple[Template, ...]:
    """Templates from the entries of all pages. What has no name is passed over."""
    given = [lenient.mapping(entry) for entry in entries]
    shared = _shared_namespace(given)
    return tuple(_template(each, shared) for each in given if lenient.text(each.get("name")))


def _template(given: Mapping[str, object], shared: str | None) -> Template:
    parts = [lenient.mapping(part) for part in _components(given.get("components"))]
    body = next((text for part in parts if _kind(part) == "BODY" and (text := lenient.text(part.get("text")))), "")
    buttons = [_button(b) for part in parts if _kind(part) == "BUTTONS" for b in lenient.items(part.get("buttons"))]
    return Template(
        name=lenient.text(given.get("name")) or "",
        language=_language(given),
        namespace=lenient.coalesce(_namespace(given), shared),
        status=(lenient.text(given.get("status")) or "").upper(),
        category=(lenient.text(given.get("category")) or "").upper() or None,
        variables=variables_of(body),
        body=body,
        buttons=tuple(buttons),
        header_needs_parameter=any(_header_needs(part) for part in parts if _kind(part) == "HEADER"),
    )


def variables_of(body: str) -> tuple[str, ...]:
    """The distinct `{{…}}` of a text."""
    return tuple(dict.fromkeys(VARIABLE.findall(body)))


def _components(value: object) -> list[object]:
    """An array, or a JSON string of one (contract §4)."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return lenient.items(value)


def _kind(part: Mapping[str, object]) -> str:
    return (lenient.text(part.get("type")) or "").upper()


def _button(given: object) -> Button:
    button = lenient.mapping(given)
    url = lenient.text(button.get("url"))
    return Button(kind=_kind(button) or "UNKNOWN", text=lenient.text(button.get("text")), url=url)


def _header_needs(part: Mapping[str, object]) -> bool:
    shape = (lenient.text(part.get("format")) or "TEXT").upper()
    return shape != "TEXT" or bool(VARIABLE.search(lenient.text(part.get("text")) or ""))


def _language(given: Mapping[str, object]) -> str:
    """A string, or `{"code": "en"}`."""
    language = given.get("language")
    return lenient.text(language) or lenient.text(lenient.mapping(language).get("code")) or ""


def _namespace(given: Mapping[str, object]) -> str | None:
    names = ("namespace", "message_template_namespace", "messageTemplateNamespace")
    return lenient.coalesce(*(lenient.text(given.get(name)) for name in names))


def _shared_namespace(given: Sequence[Mapping[str, object]]) -> str | None:
    """The namespace of all templates that state one, if it is the same for all (contract §4)."""
    stated = Counter(found for each in given if (found := _namespace(each)))
    return next(iter(stated)) if len(stated) == 1 else None
