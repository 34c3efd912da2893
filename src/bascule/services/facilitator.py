"""The x402 facilitator: says whether a payment is valid, and has it presented to its token.

A verdict is an answer. What is settled is written down before anything is sent, and what came of it is read
from rows: the lane presents it, and learns from the chain who paid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.chain import eip3009, erc20, heads
from bascule.chain.caller import Caller
from bascule.chain.eip3009 import Nonce
from bascule.chain.signatures import recover
from bascule.domain.authorization import LANE, AuthorizationState, SigningDomain
from bascule.domain.chain import Address, ChainId, caip2, checksum, hex32
from bascule.domain.errors import Conflict, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.x402 import NAMES, PAYMENT_IDENTIFIER, SCHEME, Reason, Refused
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock, Entropy, new_id
from bascule.services.x402_request import Asked
from bascule.storage import addresses, authorizations, lanes, networks, standing_addresses, tokens
from bascule.storage.authorizations import AuthorizationRow, NewAuthorization
from bascule.storage.database import Connection, Database
from bascule.storage.tokens import Token

SETTLE_WAIT_S = 15.0  # for the chain to say what came of it
# Libraries ask again about what has a transaction's hash, and have the payer pay again for what has none.
# They wait for an answer for 90 s.
WAITS_FOR_HASH = 4  # times as long
LOOK_S = 0.1  # how often settle looks whether the lane knows more
BEHIND = 64  # blocks by which one node may be behind another that was asked, or somebody before us
S = AuthorizationState


@dataclass(frozen=True, slots=True)
class Payee:
    """Whose facilitator we are in a request."""

    account_id: str
    livemode: bool


@dataclass(frozen=True)
class Facilitator:
    """Answers for the chains whose nodes it is given.

    wait_s: how long settle waits for the chain; `WAITS_FOR_HASH` times as long for a transaction's hash.
    """

    db: Database
    nodes: Mapping[ChainId, Caller]
    clock: Clock
    entropy: Entropy
    failpoints: Failpoints
    wait_s: float = SETTLE_WAIT_S

    async def supported(self, livemode: bool) -> dict[str, Any]:
        """What can be paid with, in one mode, as x402 spells it."""
        async with self.db.read() as conn:
            offers = await authorizations.offers(conn)
        ours = {
            each.chain_id: each
            for each in offers
            if each.livemode == livemode and each.chain_id in self.nodes
        }
        second = [_kind(2, caip2(chain_id)) for chain_id in ours]
        first = [_kind(1, name) for name, chain_id in NAMES.items() if chain_id in ours]
        wallets = sorted({checksum(each.wallet) for each in ours.values()})
        return {"kinds": second + first, "extensions": [PAYMENT_IDENTIFIER], "signers": {"eip155:*": wallets}}

    async def verify(self, asked: Asked, payee: Payee) -> None:
        """Returns when the payment could be settled now. Raises: Refused, Conflict."""
        async with self.db.read() as conn:
            stored = await self._stored(conn, asked, payee)
            if stored is None or stored.state is S.PENDING:
                _, wallet = await self._admitted(conn, asked, payee)
        if stored is not None and stored.state is not S.PENDING:
            raise Refused(Reason.NONCE_USED, "This payment was settled, or failed, before.")
        await self._require_payable(asked, wallet)

    async def settle(self, asked: Asked, payee: Payee) -> AuthorizationRow:
        """The payment as it is known after the wait; asked again, the same one. Raises: as `verify`."""
        async with self.db.read() as conn:
            stored = await self._stored(conn, asked, payee)
        stored = stored or await self._keep(asked, payee)
        began = asyncio.get_running_loop().time()
        while stored.state is S.PENDING:
            waits = self.wait_s * (1 if stored.carried_by is not None else WAITS_FOR_HASH)
            if asyncio.get_running_loop().time() >= began + waits:
                break
            await asyncio.sleep(LOOK_S)
            async with self.db.read() as conn:
                found = await authorizations.get(conn, stored.id)
            assert found is not None, "authorizations stay for ever"
            stored = found
        return stored

    async def _keep(self, asked: Asked, payee: Payee) -> AuthorizationRow:
        """Written down, so that the lane presents it; or found, where another request was faster."""
        async with self.db.read() as conn:
            token, wallet = await self._admitted(conn, asked, payee)
        try:
            since = await self._require_payable(asked, wallet)
        except Refused as no:
            found = await self._presented_before(asked) if no.reason is Reason.NONCE_USED else None
            if found is None:
                raise
            since = found
        new = NewAuthorization(
            id=new_id(Prefix.AUTHORIZATION, self.clock, self.entropy), account_id=payee.account_id,
            livemode=payee.livemode, chain_id=asked.chain_id, token_id=token.id, signed=asked.signed,
            signature=asked.signature, identifier=asked.identifier, resource=asked.resource,
            since_block=since,
        )  # fmt: skip
        async with self.db.transaction() as conn:
            await authorizations.insert(conn, new, self.clock.now())
            self.failpoints.hit("facilitator.before_commit")
        self.failpoints.hit("facilitator.after_commit")
        async with self.db.read() as conn:
            stored = await self._stored(conn, asked, payee)
        assert stored is not None, "it is there, or another with its nonce or identifier is"
        return stored

    async def _stored(self, conn: Connection, asked: Asked, payee: Payee) -> AuthorizationRow | None:
        """The same payment, if it was written down; what came of it stands, whatever has changed since.

        Raises: Refused when the nonce is another payment's; Conflict when the identifier is.
        """
        token = await tokens.by_contract(conn, asked.chain_id, asked.token)
        stored = None
        if token is not None:
            stored = await authorizations.of_nonce(conn, token.id, asked.signed.payer, asked.signed.nonce)
        if stored is not None:
            mine = (stored.account_id, stored.livemode) == (payee.account_id, payee.livemode)
            if not mine or stored.signed != asked.signed:
                raise Refused(
                    Reason.NONCE_USED, "Another payment with this nonce was settled or is under way."
                )
            _require_signed_for(asked)
        await _require_identifier(conn, asked, payee, stored)
        return stored

    async def _admitted(self, conn: Connection, asked: Asked, payee: Payee) -> tuple[Token, Address]:
        """The token, and the wallet that presents it, if rows say nothing against the payment.

        In the order of the design. Raises: Refused.
        """
        network = await networks.get(conn, asked.chain_id)
        wallet = await lanes.service_wallet(conn, asked.chain_id, LANE)
        served = network is not None and network.livemode == payee.livemode and asked.chain_id in self.nodes
        if not served or wallet is None:
            raise Refused(Reason.NETWORK, f"Nothing is settled on {asked.network:.60}; see /x402/supported.")
        token = await tokens.by_contract(conn, asked.chain_id, asked.token)
        domain = None if token is None else await authorizations.domain_of(conn, token.id)
        if token is None or domain is None or not token.payable:
            raise Refused(Reason.ASSET, f"{checksum(asked.token)} is not paid with by authorizations here.")
        _require_domain(asked, domain)
        standing = await standing_addresses.of_account(conn, payee.account_id, asked.chain_id)
        if standing is None or standing.address != asked.pay_to:
            raise Refused(
                Reason.PAY_TO, "payTo is no standing address of this account; POST /v1/standing_addresses."
            )
        _require_signed_for(asked)
        _require_signature(asked, asked.signed.digest(asked.chain_id, token.contract, domain))
        if await addresses.is_ours(conn, asked.chain_id, asked.signed.payer):
            raise Refused(Reason.PAYER, "The payer is an address of ours.")
        if await authorizations.listed(conn, asked.signed.payer):
            raise Refused(Reason.PAYER, "The payer stands on a screening list.")
        if not await authorizations.affordable(conn, asked.chain_id):
            raise Refused(Reason.GAS_BUDGET, "What may be spent on gas today is spent; try again later.")
        return token, wallet.address

    async def _require_payable(self, asked: Asked, wallet: Address) -> int:
        """A block by which the nonce was unused, if the token would take it now. Raises: Refused."""
        signed, rpc = asked.signed, self.nodes[asked.chain_id]
        untimely = signed.untimely(int(self.clock.now().timestamp()))
        if untimely == "late":
            raise Refused(Reason.VALID_BEFORE, "The authorization is over, or nearly.")
        if untimely == "early":
            raise Refused(Reason.VALID_AFTER, "The authorization does not hold yet.")
        height = (await heads.latest(rpc)).number
        [used] = await eip3009.used(rpc, [Nonce(asked.token, signed.payer, signed.nonce)])
        if used:
            raise Refused(Reason.NONCE_USED, "The token says that this nonce is used.")
        [held] = await erc20.balances(rpc, [(asked.token, signed.payer)], height)
        if held < signed.amount:
            raise Refused(Reason.BALANCE, f"The payer has {held} of {signed.amount}.")
        call = eip3009.calldata(signed, asked.signature)
        if (why := await eip3009.refusal(rpc, wallet, asked.token, call)) is not None:
            raise Refused(Reason.SIMULATION, why)
        return max(0, height - BEHIND)

    async def _presented_before(self, asked: Asked) -> int | None:
        """A block before somebody else had it paid to us, as one node tells; None where it does not say so.

        Whether it did is for the lane to find out.
        """
        signed, rpc = asked.signed, self.nodes[asked.chain_id]
        since = max(0, (await heads.latest(rpc)).number - BEHIND)
        nonce = Nonce(asked.token, signed.payer, signed.nonce)
        uses = await eip3009.uses(rpc, nonce, since + 1)
        paid = any((use.pay_to, use.amount) == (signed.pay_to, signed.amount) for use in uses)
        return since if paid else None


async def _require_identifier(
    conn: Connection, asked: Asked, payee: Payee, stored: AuthorizationRow | None
) -> None:
    """Raises: Conflict when the identifier is another payment's, or this one has another."""
    if asked.identifier is None:
        return
    known = await authorizations.id_of_identifier(conn, payee.account_id, payee.livemode, asked.identifier)
    if known != (None if stored is None else stored.id):
        raise Conflict(
            "payment_identifier_reused", "This payment identifier and this payment do not belong together.",
            param="paymentPayload.extensions", next_step="Use a fresh identifier for each payment.",
        )  # fmt: skip


def _require_domain(asked: Asked, domain: SigningDomain) -> None:
    name, version = asked.domain
    if name is None or version is None:
        raise Refused(Reason.DOMAIN_MISSING, "extra.name and extra.version are those of the token's domain.")
    if name != domain.name:
        raise Refused(Reason.DOMAIN_NAME, f"The token's domain has the name {domain.name!r}.")
    if version != domain.version:
        raise Refused(Reason.DOMAIN_VERSION, f"The token's domain has the version {domain.version!r}.")


def _require_signed_for(asked: Asked) -> None:
    if asked.signed.pay_to != asked.pay_to:
        raise Refused(Reason.RECIPIENT, "The payer signed for another recipient.")
    if asked.signed.amount != asked.amount or asked.amount == 0:
        raise Refused(Reason.AMOUNT, "The payer signed for another amount, or for nothing.")


def _require_signature(asked: Asked, digest: bytes) -> None:
    try:
        signer = recover(digest, asked.signature)
    except Rejected as error:
        raise Refused(Reason.SIGNATURE, error.message) from None
    if signer != asked.signed.payer:
        raise Refused(Reason.SIGNATURE, "The signature is not the payer's key's.")


def _kind(version: int, network: str) -> dict[str, Any]:
    return {"x402Version": version, "scheme": SCHEME, "network": network}


def settlement(row: AuthorizationRow, network: str) -> dict[str, Any]:
    """How a payment stands, as x402 spells it: unknown is never failed."""
    told = {
        "payer": checksum(row.signed.payer),
        "network": network,
        "amount": str(row.signed.amount),
        "extra": {"authorization": row.id},
    }
    if row.state in (S.INCLUDED, S.SETTLED):
        assert row.paid_by is not None, "it has its deposit"
        return {"success": True, "transaction": hex32(row.paid_by), **told}
    if row.state is S.FAILED:
        why = Reason.VALID_BEFORE if row.failure_code == "expired" else Reason.NONCE_USED
        message = "A final block says that this authorization can never pay."
        return {"success": False, "errorReason": why, "errorMessage": message, "transaction": "", **told}
    ours = "" if row.carried_by is None else hex32(row.carried_by)
    message = row.waits_for or "It is under way; ask again with the same payload."
    return {
        "success": False,
        "errorReason": Reason.PENDING,
        "errorMessage": message,
        "transaction": ours,
        **told,
    }
