"""Rounds of approvals: what approvers sign now, and the signatures given for exactly that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bascule.domain.approval import BatchApproval, PayoutApproval
from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.payout import PayoutState
from bascule.storage import approvals, networks, payout_batches, tokens
from bascule.storage.approvals import Approval
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token

_Known = dict[tuple[str, Address, int, datetime], tuple[BatchRow, Sequence[Approval]]]

# Who was approved: the signatures it was approved by stay its own, whatever its batch is asked about since.
_APPROVED = frozenset({PayoutState.PENDING, PayoutState.IN_TRANSIT, PayoutState.PAID})


@dataclass(frozen=True, slots=True)
class Round:
    """A payout's round as it stands. batch: the one it stands in, while that one's approvals are its own too.

    own, whole: the signatures for the payout alone, and for that batch.
    """

    text: PayoutApproval
    own: Sequence[Approval]
    batch: BatchRow | None
    whole: Sequence[Approval]

    def counts(self, required: int) -> Sequence[Approval]:
        """The signatures that approve it: its own when there are enough of them, else those of its batch."""
        return self.own if self.batch is None or len(self.own) >= required else self.whole


async def token_of(conn: Connection, payout: PayoutRow) -> Token:
    """The payout's token."""
    token = await tokens.get(conn, payout.token_id)
    if token is None:
        raise Halted(f"payout {payout.id} is of token {payout.token_id}, which does not exist")
    return token


async def tokens_of(conn: Connection, payouts: Sequence[PayoutRow]) -> dict[str, Token]:
    """The payouts' tokens by id."""
    one_of_each = {payout.token_id: payout for payout in payouts}
    return {token_id: await token_of(conn, payout) for token_id, payout in one_of_each.items()}


async def of_payouts(
    conn: Connection, payouts: Sequence[PayoutRow], of_token: dict[str, Token]
) -> dict[str, Round]:  # fmt: skip
    """The rounds of several payouts by id; statements do not grow in number with them."""
    given = await approvals.of_payouts(conn, [payout.id for payout in payouts])
    ids = {payout.batch_id for payout in payouts if payout.batch_id is not None}
    batches = await payout_batches.of_ids(conn, ids) if ids else {}
    settled = {id: batch for id, batch in batches.items() if batch.leaves is not None}
    known: _Known = {}
    rounds: dict[str, Round] = {}
    for payout in payouts:
        text = approval_text(payout, of_token[payout.token_id])
        own: Sequence[Approval] = given.get(payout.id, ())
        if own:
            digest = text.digest(payout.chain_id, payout.vault)
            own = [each for each in own if each.digest == digest]
        batch = settled.get(payout.batch_id) if payout.batch_id is not None else None
        alone = payout.mandate_id is not None or len(own) >= payout.approvals_required
        batch, together = await _of_batch(conn, payout, batch, known, alone=alone)
        rounds[payout.id] = Round(text, own, batch, together)
    return rounds


def approval_text(payout: PayoutRow, token: Token) -> PayoutApproval:
    """What approvers sign in the payout's current round; any change of it voids what was signed before."""
    return PayoutApproval(
        account=payout.account_id,
        payout=payout.id,
        token=Address(token.contract),
        to=payout.destination,
        amount=payout.amount,
        expiry=int(payout.approval_expires_at.timestamp()),
        roster_version=payout.roster_version,
    )


def batch_approval_text(batch: BatchRow) -> BatchApproval:
    """What approvers sign in the batch's current round. Raises: Halted before its content is settled."""
    if batch.leaves is None or batch.totals is None:
        raise Halted(f"it is not settled yet what batch {batch.id} pays")
    return BatchApproval(
        account=batch.account_id,
        batch=batch.id,
        totals=tuple(sorted(batch.totals.items())),
        leaves=batch.leaves,
        expiry=int(batch.approval_expires_at.timestamp()),
        roster_version=batch.roster_version,
    )


def round_of(asked: PayoutRow | BatchRow) -> tuple[Address, int, datetime]:
    """What of the approvals is another in each round: vault, roster, end."""
    return asked.vault, asked.roster_version, asked.approval_expires_at


async def pays(conn: Connection, payout: PayoutRow) -> Address:
    """The vault that is to pay it: for ever the one it has an id of, until then the chain's of now."""
    if payout.vault_id is not None:
        return payout.vault
    network = await networks.get(conn, payout.chain_id)
    return payout.vault if network is None or network.vault is None else Address(network.vault)


def in_round_of(payout: PayoutRow, batch: BatchRow) -> bool:
    """Whether the approvals of the batch are the payout's too: one that was asked about anew has its own.

    So has one that policy asks more people for by now than sign the batch.
    """
    return (
        round_of(payout) == round_of(batch)
        and payout.batch_id == batch.id
        and payout.approvals_required <= batch.approvals_required
    )


async def _of_batch(
    conn: Connection, payout: PayoutRow, batch: BatchRow | None, known: _Known, *, alone: bool
) -> tuple[BatchRow | None, Sequence[Approval]]:
    """The batch as it stood in the payout's round, and who signed it; it may be renewed since.

    alone: it needs none of those signatures.
    """
    current = batch is not None and in_round_of(payout, batch)
    if batch is None or not (current or (payout.state in _APPROVED and not alone)):
        return None, ()
    place = batch.id, *round_of(payout)
    if place not in known:
        _, vault, roster, end = place
        then = replace(batch, vault=vault, roster_version=roster, approval_expires_at=end)
        known[place] = then, await given_for(conn, then)
    then, given = known[place]
    return (then, given) if current or given else (None, ())


async def given_for(conn: Connection, batch: BatchRow) -> list[Approval]:
    """The signatures in the current round of a batch."""
    digest = batch_approval_text(batch).digest(batch.chain_id, batch.vault)
    return await payout_batches.approvals_of_round(conn, batch.id, digest)
