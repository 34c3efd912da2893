"""What leaves us without a payout: capital that goes back to its source, or money that is missing.

The owner of a vault may withdraw; the keys of other addresses of ours are outside of this bridge. At finality
each such transfer is booked. What went to no source of capital, or was more than the operator has free, is an
open break, and its token is suspended: nothing is paid in it until a person has looked.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import structlog

from bascule.chain import receipts, vault
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, ChainId, Hash, caip2, checksum, hex32
from bascule.domain.errors import Retryable
from bascule.services.breaks import Breaks
from bascule.services.suspending import Suspending
from bascule.storage import ledger, tokens, transfers
from bascule.storage.breaks import Found
from bascule.storage.database import Connection, Database
from bascule.storage.transfers import Outflow

_log = structlog.get_logger()
CAUSE = BREAK_TYPE = "unexplained_outflow"
Place = tuple[Hash, int]


class OutflowUnread(Retryable):
    """No node tells the transaction that took money from us; nothing becomes final before one does."""


@dataclass(frozen=True)
class Outflows:
    """Finds them before a stretch becomes final, and books them with it."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    breaks: Breaks
    suspending: Suspending
    counters: Counter[str]

    async def look(self, after: int, upto: int) -> set[Place]:
        """Where money leaves us in blocks after + 1 … upto by no batch of a vault; (block hash, log index).

        A batch that we know nothing of is what an older backup forgot: `bascule restore lanes` takes it over.
        Raises: OutflowUnread, as reads do.
        """
        async with self.db.read() as conn:
            found = await transfers.outflows_between(conn, self.chain_id, after, upto)
        told = {each.tx_hash: await self._receipt(each) for each in found}
        return {
            (each.block_hash, each.log_index)
            for each in found
            if not vault.facts(Address(each.src), told[each.tx_hash].logs).batches
        }

    async def book(self, conn: Connection, after: int, upto: int, looked: Collection[Place]) -> None:
        """Those places are booked when this returns, in the caller's transaction, in which they are final.

        What was missing before, and a person has looked at, is the operator's loss.
        """
        for each in await transfers.outflows_between(conn, self.chain_id, after, upto) if looked else ():
            if (each.block_hash, each.log_index) in looked:
                explained = await ledger.post_outflow(conn, self.chain_id, each.block_hash, each.log_index)
                self.counters["outflows_explained" if explained else "outflows_unexplained"] += 1
                if not explained:
                    await self._stop(conn, each)
        await ledger.post_losses(conn, self.chain_id)

    async def _stop(self, conn: Connection, outflow: Outflow) -> None:
        token = await tokens.get(conn, outflow.token_id)
        assert token is not None, "a token of a transfer that was booked exists"
        evidence = {
            "network": caip2(self.chain_id),
            "transaction": hex32(outflow.tx_hash),
            "block_number": outflow.block_number,
            "contract": checksum(token.contract),
            "from": checksum(Address(outflow.src)),
            "to": checksum(Address(outflow.dst)),
            "amount_atomic": str(outflow.amount),
            "why": "more_than_the_operator_has_free" if outflow.to_source else "to_nobody_we_know",
        }
        subject = self._subject(token.id, Hash(outflow.block_hash), outflow.log_index)
        _log.error("money left us without a payout", **evidence)
        found = Found(BREAK_TYPE, subject, evidence, self.chain_id, token.id, amount=-outflow.amount)
        await self.breaks.open(conn, found)
        await self.suspending.suspend(conn, token, CAUSE, evidence)

    async def found(self, conn: Connection, places: Iterable[tuple[str, Hash, int]]) -> None:
        """Money that was booked as gone lies at an address that proved to be ours: it is in the books again.

        places: (token id, block hash, log index). What suspends the token is a person's to lift.
        """
        for token_id, block_hash, log_index in places:
            await ledger.post_found(conn, self.chain_id, block_hash, log_index)
            await self.breaks.end(
                conn, BREAK_TYPE, self._subject(token_id, block_hash, log_index), {"why": "payee_is_ours"}
            )
            self.counters["outflows_found"] += 1

    def _subject(self, token_id: str, block_hash: Hash, log_index: int) -> str:
        return f"{token_id}/{self.chain_id}/{block_hash.hex()}/{log_index}"

    async def _receipt(self, outflow: Outflow) -> receipts.Receipt:
        for rpc in (self.rpc, self.rpc.other()):
            [told] = await receipts.of(rpc, [outflow.tx_hash])
            if told is not None and told.block_hash == outflow.block_hash:
                return told
        raise OutflowUnread(f"no node tells transaction {hex32(outflow.tx_hash)} of our block")
