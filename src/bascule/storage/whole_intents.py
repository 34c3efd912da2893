"""Payment intents with all that is shown of them, by one statement: of one moment."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.payment_intents import DepositAddress, IntentRow, from_row
from bascule.storage.queries import Queries

_Q = Queries("whole_intents")


class Arrived(NamedTuple):
    """What an intent shows of a deposit at one of its addresses. applied: it counts for the intent."""

    id: str
    chain_id: int
    tx_hash: bytes
    applied: bool


class WholeIntent(NamedTuple):
    """An intent and what is shown beside it. addresses: while it waits for money, by chain id.

    deposits: oldest block first; known: the word of the networks and tokens of that moment.
    """

    row: IntentRow
    addresses: list[DepositAddress]
    deposits: list[Arrived]
    known: str


async def get_many(conn: Connection, ids: Sequence[str]) -> list[WholeIntent]:
    """Those of `ids` that exist, in their order."""
    found = {}
    for row in await _Q.all(conn, "of_ids", ids=orjson.dumps(list(ids)).decode()):
        addresses = [_address(row["id"], text) for text in row["addresses"] or ()]
        deposits = [_arrived(text) for text in row["deposits"]]
        found[row["id"]] = WholeIntent(from_row(row), addresses, deposits, row["known"])
    return [found[id] for id in ids if id in found]


def _address(intent_id: str, text: str) -> DepositAddress:
    chain_id, address = text.split()
    return DepositAddress(intent_id, int(chain_id), Address(bytes.fromhex(address)))


def _arrived(text: str) -> Arrived:
    id, chain_id, tx_hash, state = text.split()
    return Arrived(id, int(chain_id), bytes.fromhex(tx_hash), state == "applied")
