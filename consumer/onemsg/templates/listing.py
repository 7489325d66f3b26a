"""Reads message templates from `GET /templates` (docs/1msg.md#listing-templates)."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumer.onemsg.http import lenient_json as lenient

VARIABLE = re.compile(r"\{\{([^{}]*)\}\}")
"""`{{1}}`, or `{{name}}` in a template with named variables. Blanks around the name do not belong to it: `strip` them
(a pattern that does would take half a minute for 4,000 blanks)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button. `kind` is in capitals: URL, QUICK_REPLY, PHONE_NUMBER, COPY_CODE, …"""

    kind: str
    text: str | None = None
    url: str | None = None

    @property
    def needs_parameter(self) -> bool:
        """Whether it is a URL with a variable or a code to copy; a static URL needs no parameter
        (docs/1msg.md#sending-a-template)."""
        return self.kind in ("COPY_CODE", "OTP") or bool(self.url and VARIABLE.search(self.url))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template in one language. Status and category are in capitals; "" or None: not stated."""

    name: str
    language: str
    namespace: str | None
    status: str
    category: str | None
    variables: tuple[str, ...]
    """The distinct variables of the body, in order."""
    body: str
    buttons: tuple[Button, ...] = ()
    header_needs_parameter: bool = False

    @property
    def sendable(self) -> bool:
        """Whether it can be sent: only APPROVED templates can (docs/1msg.md#listing-templates)."""
        return self.status == "APPROVED"

    @property
    def marketing(self) -> bool:
        """Whether the marketing rules apply (docs/1msg.md#limits-and-policy). A category that is not stated may be
        marketing."""
        return self.category in (None, "MARKETING")


@dataclass(frozen=True, slots=True)
class TemplateListing:
    """The templates that a channel shows; `complete` only if none can be missing."""

    templates: tuple[Template, ...]
    complete: bool


def page_entries(answer: object) -> list[object] | None:
    """Return the entries of one page: an object with `templates`, or an array. None for anything else."""
    listed = lenient.mapping(answer).get("templates") if isinstance(answer, dict) else answer
    return listed if isinstance(listed, list) else None


def entry_key(entry: object) -> object:
    """Return what identifies an entry across pages: id, name and language (docs/1msg.md#listing-templates)."""
    given = lenient.mapping(entry)
    return lenient.identifier(given.get("id")), lenient.text(given.get("name")), _language(given)


def parse_templates(entries: Iterable[object]) -> tuple[Template, ...]:
    """Return the templates from the entries of all pages. Entries without a name are skipped."""
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
    """Return the distinct `{{…}}` of a text."""
    return tuple(dict.fromkeys(map(str.strip, VARIABLE.findall(body))))


def _components(value: object) -> list[object]:
    """Return the components: an array, or a JSON string of one (docs/1msg.md#listing-templates)."""
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
    """Return the language: a string, or `{"code": "en"}`."""
    language = given.get("language")
    return lenient.text(language) or lenient.text(lenient.mapping(language).get("code")) or ""


def _namespace(given: Mapping[str, object]) -> str | None:
    names = ("namespace", "message_template_namespace", "messageTemplateNamespace")
    return lenient.coalesce(*(lenient.text(given.get(name)) for name in names))


def _shared_namespace(given: Sequence[Mapping[str, object]]) -> str | None:
    """Return the namespace of all templates that state one, if it is the same (docs/1msg.md#listing-templates)."""
    stated = Counter(found for each in given if (found := _namespace(each)))
    return next(iter(stated)) if len(stated) == 1 else None
