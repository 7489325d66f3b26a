"""What operators act on (`selections`), and the `journal` of what they did."""

from consumer.ledger.queries.operating import journal as journal
from consumer.ledger.queries.operating import selections as selections
