"""Recipients (users, phones, mailboxes): the lock under which one replica decides about each, and holds on them."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, text

from consumer.clock import Millis
from consumer.ledger.queries.statements import SOME, chunks, upsert
from consumer.ledger.schema.channel_tables import holds

_TRY_LOCK = text(
    "SELECT name, pg_try_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name"
)


_h = holds.c
_now: BindParameter[Any] = bindparam("now")
_of_medium = _h.subject.in_(SOME), _h.medium == bindparam("medium")
_ACTIVE_HOLDS = select(_h.subject, _h.reason, _h.until, _h.unreachable).where(*_of_medium, _h.until > _now)
_DELETE_EXPIRED = delete(holds).where(_h.until <= _now)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing goes to this recipient before `until`; what is due meanwhile waits or, if `unreachable`, is given up."""

    reason: str
    until: Millis
    unreachable: bool


def try_lock(connection: Connection, names: Collection[str]) -> set[str]:
    """Lock the recipients that no other replica holds, until the transaction ends; return those that were locked.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return set(names)
    found: set[str] = set()
    for some in chunks(sorted(names)):
        found.update(name for name, locked in connection.execute(_TRY_LOCK, {"names": list(some)}) if locked)
    return found


def extend_holds(connection: Connection, subjects: Collection[str], medium: str, hold: Hold) -> None:
    """Write a hold on each of these subjects, unless there is one for the same reason that lasts longer."""
    statement = upsert(connection, holds)
    new, values = statement.excluded, {"medium": medium, **asdict(hold)}
    key, changes = ["subject", "medium", "reason"], {"until": new.until, "unreachable": new.unreachable}
    statement = statement.on_conflict_do_update(index_elements=key, set_=changes, where=new.until > holds.c.until)
    if subjects:
        connection.execute(statement, [{"subject": subject, **values} for subject in sorted(subjects)])


def active_holds(connection: Connection, subjects: Collection[str], medium: str, now: Millis) -> dict[str, list[Hold]]:
    """Return the holds on these subjects that are in force at this moment, by subject."""
    found: dict[str, list[Hold]] = {}
    for some in chunks(subjects):
        for subject, *hold in connection.execute(_ACTIVE_HOLDS, {"some": some, "medium": medium, "now": now}):
            found.setdefault(subject, []).append(Hold(*hold))
    return found


def held_until(connection: Connection, subjects: Collection[str], medium: str, reason: str) -> dict[str, Millis]:
    """Return until when these subjects are held for this reason, by subject."""
    found: dict[str, Millis] = {}
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.reason == reason
        found.update(
            (row[0], row[1]) for row in connection.execute(select(holds.c.subject, holds.c.until).where(*which))
        )
    return found


def any_unreachable(connection: Connection) -> bool:
    """Tell whether any recipient is held as unreachable."""
    return connection.scalar(select(holds.c.subject).where(holds.c.unreachable.is_(True)).limit(1)) is not None


def delete_unreachable_holds(connection: Connection, subjects: Collection[str], medium: str) -> None:
    """Delete the holds that call these subjects unreachable."""
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.unreachable.is_(True)
        connection.execute(delete(holds).where(*which))


def delete_holds(connection: Connection, subjects: Collection[str], medium: str, reason: str) -> None:
    """Delete the holds on these subjects that have this reason."""
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.reason == reason
        connection.execute(delete(holds).where(*which))


def delete_expired_holds(connection: Connection, now: Millis) -> None:
    """Delete the holds whose moment has passed."""
    connection.execute(_DELETE_EXPIRED, {"now": now})
