"""The SQL statements of the ledger: a connection and values come in, rows come out. Read `reminders` first.

One module for each group of tables, called as `queries.contacts.by_user(…)`. A function that starts with `lock_`
returns rows that nobody else changes until the transaction ends; in SQLite the transaction itself is that lock.
"""

from consumer.ledger.queries import attempts as attempts
from consumer.ledger.queries import channels as channels
from consumer.ledger.queries import contacts as contacts
from consumer.ledger.queries import episodes as episodes
from consumer.ledger.queries import inbox as inbox
from consumer.ledger.queries import operating as operating
from consumer.ledger.queries import opt_outs as opt_outs
from consumer.ledger.queries import outbox as outbox
from consumer.ledger.queries import pauses as pauses
from consumer.ledger.queries import recipients as recipients
from consumer.ledger.queries import reminders as reminders
from consumer.ledger.queries import replicas as replicas
from consumer.ledger.queries import reporting as reporting
from consumer.ledger.queries import sequences as sequences
from consumer.ledger.queries import whatsapp_ids as whatsapp_ids
