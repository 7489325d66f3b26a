"""Which Avro types each field of an activity may have, and what its values mean.

A value that could mean something else is refused: bytes may be a number or an identifier of sixteen bytes, and the
digits of one customer are the bytes of another. An id is text, a whole number, a uuid, or a decimal of scale 0.
"""

from enum import Enum, auto
from typing import Any, NamedTuple

from consumer.activity.field_paths import INTEGER_ALLOWED
from consumer.activity.times.timestamps import TimeForm


class LeafKind(Enum):
    """How a value is stored, and what it means."""

    TEXT = auto()
    SYMBOL = auto()
    WHOLE_NUMBER = auto()
    DOUBLE = auto()
    """A whole number, if it has no fraction and a double holds it exactly."""
    DECIMAL = auto()
    UUID = auto()
    TIME_NUMBER = auto()
    LOCAL_TIME_NUMBER = auto()
    TIME_DOUBLE = auto()
    TIME_TEXT = auto()


class Leaf(NamedTuple):
    """A value at the end of a path. `size` is that of a fixed type in bytes; else the value begins with its length."""

    kind: LeafKind
    size: int | None = None
    symbols: tuple[str, ...] = ()
    unit: str | None = None


class Misfit(NamedTuple):
    """Says what a type is that the field cannot have."""

    what: str


COMPARED_KEYS = frozenset({LeafKind.TEXT, LeafKind.SYMBOL, LeafKind.WHOLE_NUMBER})
"""Kinds of values that `[key=value]` can be compared with."""

_UNITS = ("millis", "micros", "nanos")
_MOMENTS = {f"timestamp-{unit}": unit for unit in _UNITS}
_LOCAL = {f"local-timestamp-{unit}": unit for unit in _UNITS}
# Debezium's times of columns without a time zone. They are told apart by this name alone.
_DEBEZIUM = {
    f"io.debezium.time.{name}Timestamp": unit for name, unit in zip(("", "Micro", "Nano"), _UNITS, strict=True)
}
_CONNECT_DECIMAL = "org.apache.kafka.connect.data.Decimal"  # older converters write no logical type
_PERIODS = ("date", "time", "duration")


def leaf_of(name: str, schema: Any, times: TimeForm) -> Leaf | Misfit:
    """Return how the field `name` is read from a type (resolved, neither union nor null), or what the type is."""
    kind = schema["type"] if isinstance(schema, dict) else schema
    logical = _logical_type(schema)
    if name == "occurred_at":
        return _time(kind, logical, times)
    if kind == "enum" and name != "user_id" and schema["symbols"]:
        return Leaf(LeafKind.SYMBOL, symbols=tuple(schema["symbols"]))
    if kind == "string":
        return Leaf(LeafKind.TEXT)
    if name in INTEGER_ALLOWED:
        return _id(name, schema, kind, logical)
    return Leaf(LeafKind.TEXT) if kind == "bytes" and logical is None else Misfit(_described(kind, logical))


def _id(name: str, schema: Any, kind: str, logical: str | None) -> Leaf | Misfit:
    if kind in ("int", "long") and not _is_time(logical):
        return Leaf(LeafKind.WHOLE_NUMBER)
    if kind == "double":
        return Leaf(LeafKind.DOUBLE)
    if kind == "fixed" and logical == "uuid" and schema["size"] == 16:
        return Leaf(LeafKind.UUID, 16)
    if kind in ("bytes", "fixed") and logical == "decimal":
        return _decimal(schema, kind)
    if kind == "bytes" and logical is None and name != "user_id":  # it is compared with names of the configuration
        return Leaf(LeafKind.TEXT)
    return Misfit(_described(kind, logical))


def _decimal(schema: Any, kind: str) -> Leaf | Misfit:
    connect = schema.get("connect.parameters")
    scale = schema.get("scale", connect.get("scale", 0) if isinstance(connect, dict) else 0)
    precision = schema.get("precision")
    if str(scale) != "0":
        return Misfit(f"a decimal of scale {scale}")
    if precision is not None and (not isinstance(precision, int) or precision < 1):
        return Misfit(f"a decimal of precision {precision!r}")
    return Leaf(LeafKind.DECIMAL, schema["size"] if kind == "fixed" else None)


def _time(kind: str, logical: str | None, times: TimeForm) -> Leaf | Misfit:
    if kind == "string":
        return Leaf(LeafKind.TIME_TEXT)
    if kind == "double":
        return Leaf(LeafKind.TIME_DOUBLE)
    if kind not in ("int", "long"):
        return Misfit(_described(kind, logical))
    if logical in _MOMENTS:
        return Leaf(LeafKind.TIME_NUMBER, unit=_MOMENTS[logical])
    if logical in _DEBEZIUM:
        return Leaf(LeafKind.LOCAL_TIME_NUMBER if times.zone else LeafKind.TIME_NUMBER, unit=_DEBEZIUM[logical])
    if logical in _LOCAL and times.zone:
        return Leaf(LeafKind.LOCAL_TIME_NUMBER, unit=_LOCAL[logical])
    if logical in _LOCAL:
        return Misfit(f"a {logical}, which needs source.timezone to say in which time zone it is")
    return Misfit(f"a {logical}") if _is_time(logical) else Leaf(LeafKind.TIME_NUMBER, unit=times.unit)


def _logical_type(schema: Any) -> str | None:
    """Return the logical type, or Kafka Connect's name for the type where that says more; None if there is none."""
    if not isinstance(schema, dict):
        return None
    logical, connect = schema.get("logicalType"), schema.get("connect.name")
    if logical is None and connect == _CONNECT_DECIMAL:
        return "decimal"
    if logical is None and isinstance(connect, str) and connect.startswith("io.debezium."):
        return connect
    if logical is None and schema["type"] in ("bytes", "fixed") and schema.keys() & {"scale", "precision"}:
        return "decimal of an unknown kind"
    return None if logical is None else str(logical)


def _is_time(logical: str | None) -> bool:
    word = (logical or "").removeprefix("io.debezium.time.").removeprefix("local-").lower()
    return word.startswith(("timestamp", *_PERIODS, "micro", "nano", "year", "interval", "zoned"))


def _described(kind: str, logical: str | None) -> str:
    return f"a {logical} ({kind})" if logical else f"of type {kind}"
