"""What statements about consent amount to. Pure.

Two parties speak. The **person** opts out and opts in: in the chat, in WhatsApp, or through an operator. The
**company's record** (a contact) says that they agreed, that they did not, or nothing at all.

- Silence says nothing: a missing column, an empty cell or a schema's default changes no earlier statement.
- A no of the record is lifted by a later yes of the record.
- An opt-out of the person is lifted by the person alone: by an opt-in, or by a record with the moment at which they
  agreed later (`opted_in_at`). That a record says yes, however often and however late, lifts nothing.
- A record may name anybody's number, so it speaks for its user. What was said from the number it lifts only if that was
  kept as said by this user too, and by nobody else with the number who has not agreed since. In any other case whoever
  has the phone lifts it, by an opt-in.
- At equal times the no counts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from consumer.clock import MINUTE, Millis

CLOCK_TOLERANCE = 5 * MINUTE
"""How far the clock of whoever wrote `opted_in_at` may be ahead of ours."""

Refusals: TypeAlias = Mapping[str, Collection[tuple[str, Millis]]]
"""What users or numbers refused: the media and moments. One statement has the same ones for all whom it concerned."""


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    """What a user's contact records say about consent, taken together."""

    opt_in: bool | None = None
    """The latest yes or no; None if there was neither."""
    declined_at: Millis | None = None
    """The latest `updated_at` of a record that said no."""
    opted_in_at: Millis | None = None
    """When the person last agreed, as far as a record says so."""

    @property
    def agreed_at(self) -> Millis | None:
        """The moment of which the record says that the person agreed then, and that it still holds."""
        return self.opted_in_at if self.opt_in else None


def record_after(
    known: CompanyRecord, opt_in: bool | None, opted_in_at: Millis | None, updated_at: Millis, now: Millis
) -> CompanyRecord:
    """Return the record once one more contact record is known, read at `now`.

    A yes that is older than the no before it does not count. A time in the future is no time at which somebody agreed:
    an export that stamps one would lift every opt-out to come.
    """
    if opted_in_at is not None and opted_in_at <= now + CLOCK_TOLERANCE:
        agreed_at = min(opted_in_at, now)
        known = replace(known, opted_in_at=max(agreed_at, known.opted_in_at or 0))
    if opt_in is None:
        return known
    changed_at = min(updated_at, now)
    if not opt_in:
        return replace(known, opt_in=False, declined_at=max(changed_at, known.declined_at or 0))
    if known.declined_at is not None and changed_at < known.declined_at:
        return known
    return replace(known, opt_in=True)


def agreed_since(agreed_at: Mapping[str, Millis], refusals: Refusals) -> set[str]:
    """Return those of these users who have agreed later than all that they refused."""
    return {user for user, at in agreed_at.items() if any(refusals.get(user, ())) and _is_later(at, refusals[user])}


def number_agreed_at(
    number: Collection[tuple[str, Millis]], users: Collection[str], agreed_at: Mapping[str, Millis], refusals: Refusals
) -> Millis | None:
    """Return when the person behind a number agreed to what was refused from it; None if they have not.

    `users` are all with this number, `refusals` what they refused themselves.
    """
    agreed = agreed_since(agreed_at, refusals)
    if any(refusals.get(user) and user not in agreed for user in users):
        return None
    speakers = (user for user in users if user in agreed and set(number) <= set(refusals[user]))
    return max((agreed_at[user] for user in speakers), default=None)


def _is_later(at: Millis, refused: Collection[tuple[str, Millis]]) -> bool:
    return all(said_at < at for _, said_at in refused)


def may_be_asked(opt_in: bool | None, *, require_opt_in: bool) -> bool:
    """Return whether the record allows to write to somebody who has not opted out. Its no always counts."""
    return not require_opt_in if opt_in is None else opt_in
