"""Turns a row of a contacts file into what it says, or says what is wrong with it. Pure. No message quotes a cell."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from consumer.activity.decoder import MAX_USER_ID_BYTES
from consumer.clock import DAY, YEAR_2000, Millis
from consumer.commands.contacts.csv_file import Row, UnreadableRow
from consumer.commands.contacts.known_contacts import ContactChange
from consumer.commands.contacts.scratch_database import open_scratch
from consumer.commands.terminal.time_arguments import parse_iso_time
from consumer.email_address import normalize_email
from consumer.onemsg.phone import PhoneProblem, normalize_phone
from consumer.records import Contact

COLUMNS = tuple(f.name for f in fields(Contact))
KEY = "user_id"

_YES_OR_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": None}
_LOCALE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,4}")
_MAX_NAME_CHARACTERS = 200
_FORMULA = ("=", "+", "-", "@")
"""The first characters of spreadsheet formulas: exported by mistake, or written to attack whoever opens the file."""
_NO_ID = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "NULL", "null", "None", "NaN", "undefined", "(null)"})
_EXPORTED_AS_NUMBER = re.compile(r"\d+[.,]0+|\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_INVISIBLE = re.compile("[\u00a0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that cannot be imported, and everything that is wrong with it."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A user whose contact is to be deleted."""

    user_id: str


CheckedRow: TypeAlias = ContactChange | Deletion | InvalidRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """`region`: the country of phone numbers without a country code. `zones`: all time zones. `now`: the `updated_at`
    of contacts that have none."""

    region: str | None
    zones: frozenset[str]
    now: Millis


class _Problem(str):
    """What is wrong with a cell."""


_FUTURE = _Problem("is in the future")


class SeenUsers:
    """The first line of each user."""

    def __init__(self) -> None:
        self._database = open_scratch("seen (user_id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def before(self, user_id: str, line: int) -> int | None:
        """Record the user's line; return the user's earlier line, or None if this is the first."""
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (user_id, line)).rowcount:
            return None
        (earlier,) = self._database.execute("SELECT line FROM seen WHERE user_id = ?", (user_id,)).fetchone()
        return int(earlier)

    def close(self) -> None:
        self._database.close()


def check_contacts(rows: Iterable[Row | UnreadableRow], rules: ImportRules, seen: SeenUsers) -> Iterator[CheckedRow]:
    """Yield a ContactChange or an InvalidRow for every row, in order."""
    return _checked(rows, seen, lambda cells: _contact(cells, rules))


def check_deletions(rows: Iterable[Row | UnreadableRow], seen: SeenUsers) -> Iterator[CheckedRow]:
    """Yield a Deletion or an InvalidRow for every row, in order."""
    return _checked(rows, seen, _deletion)


def _checked(
    rows: Iterable[Row | UnreadableRow],
    seen: SeenUsers,
    check: Callable[[Mapping[str, str]], tuple[ContactChange | Deletion | None, list[str]]],
) -> Iterator[CheckedRow]:
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield InvalidRow(row.line, row.why)
            continue
        good, problems = check(row.cells)
        user_id = row.cells[KEY]
        earlier = seen.before(user_id, row.line) if user_id else None
        if earlier is not None:
            problems.append(f"{KEY}: is already on line {earlier}")
        yield InvalidRow(row.line, "; ".join(problems)) if problems or good is None else good


def _deletion(cells: Mapping[str, str]) -> tuple[Deletion | None, list[str]]:
    found = _user_id(cells[KEY])
    return (None, [f"{KEY}: {found}"]) if isinstance(found, _Problem) else (Deletion(found), [])


def _contact(cells: Mapping[str, str], rules: ImportRules) -> tuple[ContactChange | None, list[str]]:
    read: dict[str, Any] = {name: _READERS[name](cells[name], rules) for name in COLUMNS if name in cells}
    problems = [f"{name}: {value}" for name, value in read.items() if isinstance(value, _Problem)]
    if problems:
        return None, problems
    user_id, updated_at = read.pop(KEY), read.pop("updated_at", rules.now)
    return ContactChange(user_id=user_id, values=read, updated_at=updated_at), []


def _user_id(text: str) -> str | _Problem:
    if not text:
        return _Problem("is empty")
    if len(text.encode()) > MAX_USER_ID_BYTES:
        return _Problem(f"is longer than {MAX_USER_ID_BYTES} bytes: is this the right column?")
    if _CONTROL.search(text):
        return _Problem("contains a line break or a control character")
    if _INVISIBLE.search(text):
        return _Problem("contains an invisible character, so it is a different id than it seems")
    if text in _NO_ID:
        return _Problem("is what a program writes where there is no value")
    if _EXPORTED_AS_NUMBER.fullmatch(text):
        return _Problem("has a decimal point or an exponent: format the column as text, and export it again")
    return text


def _name(text: str) -> str | _Problem | None:
    if text.startswith(_FORMULA):
        return _Problem(f"begins like a formula ({' '.join(_FORMULA)}): write the person's name")
    if len(text) > _MAX_NAME_CHARACTERS:
        return _Problem(f"is longer than {_MAX_NAME_CHARACTERS} characters: is this the right column?")
    return text or None


def _phone(text: str, rules: ImportRules) -> str | _Problem | None:
    if not text:
        return None
    found = normalize_phone(text, rules.region)
    return _Problem(found.error) if isinstance(found, PhoneProblem) else f"+{found.digits}"


def _locale(text: str) -> str | _Problem | None:
    if text and not _LOCALE.fullmatch(text):
        return _Problem("is not a locale: write it like en or pt_BR")
    return text or None


def _timezone(text: str, rules: ImportRules) -> str | _Problem | None:
    if text and text not in rules.zones:
        return _Problem("is not a time zone: write a name such as Europe/Madrid")
    return text or None


def _email(text: str) -> str | _Problem | None:
    if text and normalize_email(text) is None:
        return _Problem("is not an address: write it like maria@example.com")
    return text or None


def _opt_in(text: str) -> bool | _Problem | None:
    return _YES_OR_NO.get(text.lower(), _Problem("should be yes or no, true or false, 1 or 0; empty says nothing"))


def _opted_in_at(text: str, rules: ImportRules) -> Millis | _Problem | None:
    found = _time(text) if text else None
    return _FUTURE if isinstance(found, int) and found > rules.now else found


def _updated_at(text: str, rules: ImportRules) -> Millis | _Problem:
    found = _time(text) if text else rules.now
    return _FUTURE if isinstance(found, int) and found > rules.now + DAY else found


def _time(text: str) -> Millis | _Problem:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else parse_iso_time(text)
    if found is None:
        return _Problem("should be a time such as 2026-03-29T14:00:00Z, or milliseconds since 1970")
    if found < YEAR_2000:
        return _Problem("is before the year 2000: a number must be in milliseconds")
    return found


_READERS: Mapping[str, Callable[[str, ImportRules], object]] = {
    "user_id": lambda text, _: _user_id(text),
    "name": lambda text, _: _name(text),
    "phone": _phone,
    "locale": lambda text, _: _locale(text),
    "timezone": _timezone,
    "email": lambda text, _: _email(text),
    "opt_in": lambda text, _: _opt_in(text),
    "opted_in_at": _opted_in_at,
    "updated_at": _updated_at,
}
