"""What a lane's slots carry: the one part in which paying and flushing differ.

All else about a lane (lease, slots, attempts, bumps, finality) is the submitter's and the same for both.
"""

from __future__ import annotations

from typing import Protocol

from bascule.chain.receipts import Receipt
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.services.signing_intents import Intent, SignerRefused
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot


class LaneWork(Protocol):
    """One kind of work, for one lane."""

    @property
    def proves(self) -> bool:
        """Whether the receipts of its calls are kept as evidence, when they are final."""
        ...

    @property
    def width(self) -> int:
        """How many of its nonces may be on their way at once, each above one that nodes have."""
        ...

    async def wallet(self) -> Address | None:
        """The wallet whose nonces the lane takes; None while it has none."""
        ...

    async def prepare(self, lease: Lease) -> int:
        """Brings what waits up to date; how many things were done."""
        ...

    async def reserve(self, lease: Lease) -> bool:
        """Gives the next nonce to what waits, if anything can be taken; whether anything changed.

        Raises: Halted when nothing may be sent until a person has looked; Retryable.
        """
        ...

    def reserved(self, slot: Slot, epoch: int) -> Intent | None:
        """What the signer is asked for a slot that this turn reserved under the epoch, said once.

        None for every other slot, which stands in rows: `question`.
        """
        ...

    async def lock(self, conn: Connection) -> None:
        """Nobody else reserves on the lane until the transaction ends."""
        ...

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """What the signer is asked for a slot that is no fill, with the fees it asks for now."""
        ...

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """The signer named what it will not sign in a locked slot; the slot becomes a fill."""
        ...

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """The locked slot does not move by itself, or moves again: whoever waits for it is told."""
        ...

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """The locked slot's attempt is in a block now, or out of one: whoever waits for it is told.

        before: how it stood; None of one that came just now, beside cheaper ones.
        """
        ...

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """Somebody else used the locked slot's nonce, and that is final: what it carried is free again."""
        ...

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """Writes what the locked slot's call did, which is final, in the caller's transaction."""
        ...
