"""Why a ledger may not be used."""


class LedgerRefused(Exception):
    """This ledger must not be worked on; the text says why and what to do."""


class NoLedger(LedgerRefused):
    """There is none yet."""
