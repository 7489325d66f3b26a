"""WhatsApp's limits that are kept before sending: docs/1msg.md#limits-and-policy as data, with their sources."""

from consumer.clock import DAY, SECOND, Millis

PAIR_SPAN: Millis = 6 * SECOND
"""One recipient may get one message in this time [pair]. Bursts, which borrow from the future, are not used."""

UNIQUE_SPAN: Millis = DAY
"""The moving period in which a business may write to a limited number of different people [messaging]."""

WITHOUT_MARKETING = frozenset({"US"})
"""Regions of phone numbers that get no marketing templates: +1 with an area code of the US [userlimits][twilio]."""
