"""Write what is made of the code: configuration, metrics, reasons and asyncapi in docs/, and the chart's README.

`python -m tools.generate_docs` writes them; with `--check` it writes nothing and fails if one is out of date.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from consumer.config import types
from consumer.config.errors import fields_of, is_section, shape
from consumer.config.sections import event_paths, fallback, policy, source
from consumer.config.sections.template import Action
from consumer.config.settings import Settings
from consumer.config.types import Secret, format_duration
from consumer.metrics import DeliverMetrics, DetectMetrics, ServiceMetrics
from consumer.onemsg.error_table import BY_CODE
from consumer.reasons.catalogue import GROUPS
from tools import asyncapi, chart_readme
from tools.generated import write_or_check

DOCS = Path(__file__).parents[1] / "docs"
WRITTEN = "<!-- Written by tools/generate_docs.py; change the code that it reads, and run it again. -->"

TYPE_NAMES: tuple[tuple[Any, str], ...] = (
    (types.Duration, "duration"),
    (types.TimeOfDay, "time of day"),
    (types.Zone, "time zone"),
    (types.Address, "address"),
    (policy.Region, "country"),
    (event_paths.EventPath, "dotted path"),
    (source.Names, "name, or list of names"),
    (fallback.Text, "text"),
    (fallback.Subject, "text of one line"),
    (fallback.Link, "link"),
    (fallback.Mailbox, "mailbox"),
    (fallback.Unsubscribe, "link"),
    (Action, "text, or text by language"),
    (Path, "file"),
    (Secret, "secret"),
    (str, "text"),
    (bool, "true or false"),
    (int, "whole number"),
    (float, "number"),
    (type(None), "null"),
)


def configuration() -> Iterator[str]:
    """The page of all keys of lapse.yaml, one table a section."""
    yield from ("# Configuration", "", WRITTEN, "")
    yield "Every key of `lapse.yaml`; `lapse.example.yaml` has them all, commented. The environment wins over the file:"
    yield "`LAPSE_SECTION__KEY`, two underscores between levels. Durations have a unit: `500ms`, `90s`, `24h`, `7d`."
    yield "A secret is `{env: NAME}` or `{file: /path}`. A key without a default has to be set where its section is."
    for path, section in sections(Settings, ()):
        yield from ("", f"## {'.'.join(path) or 'Sections'}", "")
        yield from table(("key", "type", "default", "meaning"), [key_row(*item) for item in fields_of(section).items()])


def sections(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """A section and those below it, each with its path; `<name>` stands for names that the user chooses."""
    yield path, section
    for key, field in fields_of(section).items():
        below, kind = (*path, key), shape(field.annotation)
        if get_origin(kind) is dict and is_section(get_args(kind)[1]):
            below, kind = (*below, "<name>"), get_args(kind)[1]
        if is_section(kind) and kind is not Secret:
            yield from sections(kind, below)


def key_row(key: str, field: FieldInfo) -> tuple[str, str, str, str]:
    assert field.description, f"{key} has no docstring below it"
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return f"`{key}`", type_name(annotation) + limits_of(field), default_of(field), " ".join(field.description.split())


def limits_of(field: FieldInfo) -> str:
    """The bounds that pydantic holds a value to."""
    words = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
    limits = [(word, getattr(each, name, None)) for each in field.metadata for name, word in words]
    return "".join(f", {word} {yaml_text(limit)}" for word, limit in limits if limit is not None)


def type_name(annotation: Any) -> str:
    """A type as a reader of the file knows it."""
    known = next((name for kind, name in TYPE_NAMES if same_type(kind, annotation)), None)
    if known:
        return known
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0])
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in args)
    if origin in (Union, UnionType):
        return ", or ".join(dict.fromkeys(type_name(kind) for kind in args if kind is not type(None)))
    if origin is tuple:
        return f"list of {type_name(args[0])}"
    if origin is dict:
        if is_section(args[1]):
            return "a section for each name"
        return "values by name" if args[0] is str else f"{type_name(args[1])} by {type_name(args[0])}"
    assert is_section(annotation), f"{annotation} has no name for readers: add one to TYPE_NAMES"
    return "section"


def same_type(kind: Any, annotation: Any) -> bool:
    """Whether they are one type. Pydantic moves validators from a field's annotation into its metadata."""
    if get_origin(kind) is Annotated and get_origin(annotation) is Annotated:
        return get_args(kind)[0] == get_args(annotation)[0] and set(kind.__metadata__) <= set(annotation.__metadata__)
    return bool(kind == annotation)


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True)
    assert value is not PydanticUndefined
    if isinstance(value, BaseModel):
        return "its defaults"
    return f"`{yaml_text(value)}`"


def yaml_text(value: object) -> str:
    """A default as it is written in lapse.yaml."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case Mapping():
            return "{" + ", ".join(f"{yaml_text(key)}: {yaml_text(each)}" for key, each in value.items()) + "}"
        case tuple() | list():
            return "[" + ", ".join(map(yaml_text, value)) + "]"
        case _:
            return str(value)


def metrics() -> Iterator[str]:
    """The page of all metrics, one table a role."""
    yield from ("# Metrics", "", WRITTEN, "")
    yield "Served at `/metrics`, for Prometheus. Counters end in `_total`; spans are in seconds. Reasons are in"
    yield "[reasons.md](reasons.md), statuses in [topics.md](topics.md)."
    for title, role in (("Every process", ServiceMetrics), ("Detect", DetectMetrics), ("Deliver", DeliverMetrics)):
        yield from ("", f"## {title}", "")
        found = [each for each in vars(role(CollectorRegistry())).values() if isinstance(each, MetricWrapperBase)]
        yield from table(("metric", "kind", "labels", "what it tells"), [metric_row(each) for each in found])


def metric_row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    described = next(iter(metric.describe()))
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"`{name}`", described.type, labels, described.documentation


def reasons() -> Iterator[str]:
    """The page of all reasons, one table a group."""
    yield from ("# Reasons", "", WRITTEN, "")
    yield "A reason is the named cause of a decision. The same word is a topic's field, a metric's label and a log's"
    yield "field, each named `reason`. Codes are Meta's; [1msg.md](1msg.md#error-codes) has each with its source."
    for group in GROUPS:
        yield from ("", f"## {group.title}", "", group.intro, "")
        codes = any(codes_of(reason) for reason in group.reasons) and group.title == "Refused"
        head = ("reason", "codes", "means", "what to do") if codes else ("reason", "means", "what to do")
        rows = [
            (f"`{reason}`", *([codes_of(reason)] if codes else []), *said) for reason, said in group.reasons.items()
        ]
        yield from table(head, rows)


def codes_of(reason: str) -> str:
    """Meta's codes with this reason; 200 to 299 are one row."""
    found = sorted(code for code, rule in BY_CODE.items() if rule.reason == reason and code not in range(200, 300))
    ranged = ["200–299"] if any(BY_CODE[code].reason == reason for code in range(200, 300)) else []
    return ", ".join([*map(str, found), *ranged])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


PAGES: Mapping[Path, Callable[[], Iterable[str]]] = {
    DOCS / "configuration.md": configuration,
    DOCS / "metrics.md": metrics,
    DOCS / "reasons.md": reasons,
    DOCS / "asyncapi.yaml": lambda: [asyncapi.document()],
    chart_readme.CHART / "README.md": lambda: [chart_readme.readme()],
}


def main() -> int:
    files = {path: "\n".join(page()) + "\n" for path, page in PAGES.items()}
    return write_or_check(files, "tools.generate_docs", __doc__)


if __name__ == "__main__":
    sys.exit(main())
