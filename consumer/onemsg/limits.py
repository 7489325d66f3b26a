"""Limits of WhatsApp that count before anything is sent: contract §11 as data, its source beside each. Pure."""

from consumer.clock import DAY, SECOND, Millis

PAIR_SPAN: Millis = 6 * SECOND
"""To one recipient one message in so long [S27]. Bursts are allowed and borrow from the future: we make none."""

UNIQUE_SPAN: Millis = DAY
"""The moving span in which so many different people may be written to, all numbers of a business together [S30]."""

WITHOUT_MARKETING = frozenset({"US"})
"""Regions of numbers to which no marketing template is delivered: +1 with an area code of the US [S19][S32]."""
