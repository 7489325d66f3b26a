"""What is asked of the ledger, one module for each group of tables: `queries.reminders.take_due(…)`."""

from consumer.ledger.queries import console as console
from consumer.ledger.queries import contacts as contacts
from consumer.ledger.queries import echoes as echoes
from consumer.ledger.queries import erasure as erasure
from consumer.ledger.queries import facts as facts
from consumer.ledger.queries import fallback as fallback
from consumer.ledger.queries import holds as holds
from consumer.ledger.queries import inbox as inbox
from consumer.ledger.queries import leases as leases
from consumer.ledger.queries import opt_outs as opt_outs
from consumer.ledger.queries import outbox as outbox
from consumer.ledger.queries import pauses as pauses
from consumer.ledger.queries import rate_limit as rate_limit
from consumer.ledger.queries import recipient_quota as recipient_quota
from consumer.ledger.queries import recipients as recipients
from consumer.ledger.queries import reminders as reminders
from consumer.ledger.queries import restore as restore
from consumer.ledger.queries import retention as retention
from consumer.ledger.queries import unresolved as unresolved
