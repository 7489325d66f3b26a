"""What statements about consent amount to. Pure.

Two parties speak. The **person** opts out and opts in: in the chat, in WhatsApp, or through an operator. The
**company's record** (a contact) says that they agreed, that they did not, or nothing at all.

- Silence says nothing: a missing column, an empty cell or a schema's default changes no earlier statement.
- A no of the record is lifted by a later yes of the record.
- An opt-out of the person is lifted by the person alone: by an opt-in, or by a record with the moment at which they
  agreed later (`opted_in_at`). That a record says yes, however often and however late, lifts nothing.
- At equal times the no counts.
"""

from dataclasses import dataclass, replace

from consumer.clock import MINUTE, Millis

CLOCK_TOLERANCE = 5 * MINUTE
"""By so much the clock of whoever wrote `opted_in_at` may be ahead of ours."""


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


def may_be_asked(opt_in: bool | None, *, require_opt_in: bool) -> bool:
    """Return whether the record allows to write to somebody who has not opted out. Its no always counts."""
    return not require_opt_in if opt_in is None else opt_in
