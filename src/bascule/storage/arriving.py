"""What has just arrived: transfers to us that are deposits, or are to become some."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Halted
from bascule.domain.matching import Seen
from bascule.storage.arrays import bytes_
from bascule.storage.database import Connection
from bascule.storage.deposits import Candidate, Kind, Owned, Shown
from bascule.storage.networks import Network
from bascule.storage.queries import Queries
from bascule.storage.tokens import Token

_sql = Queries("arriving")


class Arriving(NamedTuple):
    """A transfer to us, and whose it is. amount: base units; intent_id: of the address.

    known: it is a deposit already, in this block or another; booked: its token is known and accepted;
    screened: its sender stands on a list; listed: its token's issuer names our address; processed: the newest
    block read.
    """

    block_hash: Hash
    log_index: int
    block_number: int
    block_time: datetime
    tx_hash: Hash
    token: Address
    src: Address
    dst: Address
    amount: int
    known: bool
    account_id: str
    intent_id: str | None
    kind: Kind
    token_id: str | None
    booked: bool
    screened: bool
    listed: bool
    processed: int

    @property
    def place(self) -> tuple[Hash, int]:
        """Where it is: block hash and log index."""
        return self.block_hash, self.log_index

    def owned(self, id: str) -> Owned:
        """Whose the deposit of this id is."""
        return Owned(id, self.kind, self.intent_id, self.booked, self.screened)

    def shown(
        self, id: str, network: Network, token: Token | None, now: datetime, *, livemode: bool
    ) -> Shown:
        """The deposit as `deposits.shown` would read it, stored by this id and not decided yet."""
        return Shown(
            id,
            self.account_id,
            livemode,
            self.kind,
            network.chain_id,
            self.token,
            self.token_id,
            None if token is None else token.currency,
            None if token is None else token.decimals,
            self.amount,
            self.tx_hash,
            self.log_index,
            self.block_number,
            self.block_hash,
            self.block_time,
            self.src,
            self.dst,
            DepositState.DETECTED,
            None,
            now,
            1,
            None,
            None,
            None,
            None,
            0,
            self.processed,
            network.finality,
            None,
            self.listed,
            self.screened,
        )

    def candidate(
        self, id: str, network: Network, token: Token | None, now: datetime, *, livemode: bool
    ) -> Candidate:
        """The same as `deposits.of_intents` would read it for an intent of this mode."""
        counted = token is not None and token.accepted
        seen = Seen(
            id,
            network.chain_id,
            self.token,
            self.amount,
            token.decimals if token is not None and counted else None,
            self.block_time,
            (self.block_number, self.log_index),
            DepositState.DETECTED,
            0 if token is None else token.dust,
            0 if token is None else token.minimum,
            livemode is not network.livemode,
            False,
            self.listed,
            self.screened,
        )
        return Candidate(seen, None, self.shown(id, network, token, now, livemode=livemode))


_AMOUNT = Arriving._fields.index("amount")


async def find(conn: Connection, chain_id: ChainId, block_hashes: Sequence[Hash]) -> list[Arriving]:
    """What came from outside to us in these blocks, in chain order.

    Raises: Halted when money came to an own address and there is no operator whose it could be.
    """
    rows = await _sql.tuples(conn, "arriving", chain_id=chain_id, block_hashes=bytes_(block_hashes))
    found = [_arriving(row) for row in rows]
    if any(each.account_id is None for each in found):
        raise Halted("money came to an address of ours, but this installation has no operator account")
    return found


def _arriving(row: Sequence[Any]) -> Arriving:
    """row: the columns in their order, by position: names would take twice as long."""
    values = list(row)
    values[_AMOUNT] = int(values[_AMOUNT])
    return Arriving._make(values)
