"""The signer: obeys its own rosters and limits, remembers before it signs, and gives the same bytes again.

Order of every answer: what is meant is committed, then signed, then the bytes are committed, then they leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from bascule.chain.tx import UnsignedTx
from bascule.domain import stops
from bascule.domain.chain import Address
from bascule.domain.fees import Fees
from bascule.services import (
    signer_authority,
    signer_checks,
    signer_heads,
    signer_items,
    signer_presents,
    signer_routes,
)
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import Clock
from bascule.services.signer_authority import Applied, Change
from bascule.services.signing_intents import (
    FILL_GAS_MAX,
    AnchorIntent,
    AuthorizationIntent,
    CancelIntent,
    FeeOffer,
    FillIntent,
    FlushIntent,
    Intent,
    MarksAnswer,
    MarksOf,
    PayIntent,
    Rules,
    RulesQuestion,
    Signed,
    SignerRefused,
    TopUpIntent,
    address,
)
from bascule.signing.key import Key
from bascule.storage import (
    signer_flush_limits,
    signer_ledger,
    signer_limits,
    signer_stops,
    signer_top_ups,
    signer_wallets,
)
from bascule.storage.database import Connection, Database
from bascule.storage.signer_authorizations import PresentLimits
from bascule.storage.signer_flush_limits import FlushLimits
from bascule.storage.signer_ledger import Signature, SlotKey
from bascule.storage.signer_limits import FeeLimits, HardLimits
from bascule.storage.signer_wallets import Role, SignerWallet

log = structlog.get_logger()

_KINDS: Mapping[type, str] = {
    PayIntent: "pay",
    FillIntent: "fill",
    FlushIntent: "flush",
    CancelIntent: "cancel",
    TopUpIntent: "top_up",
    AnchorIntent: "anchor",
    AuthorizationIntent: "authorization",
}
# Whose wallet may sign what; each fills its own never-signed slots.
_ROLES: Mapping[type, frozenset[Role]] = {
    PayIntent: frozenset({"lane"}),
    FillIntent: frozenset({"lane", "canceller", "sweeper", "gas", "anchor", "x402"}),
    FlushIntent: frozenset({"sweeper"}),
    CancelIntent: frozenset({"canceller"}),
    TopUpIntent: frozenset({"gas"}),
    AnchorIntent: frozenset({"anchor"}),
    AuthorizationIntent: frozenset({"x402"}),
}
# Whose nonces have no holes: what a hole forgot would be missing in the day's sum.
_COUNTED: frozenset[Role] = frozenset({"lane", "gas"})


class Signer:
    """Answers typed intents for the wallets whose keys it holds."""

    def __init__(
        self,
        db: Database,
        keys: Iterable[Key],
        clock: Clock,
        *,
        deposit_seed: bytes | None = None,
        bumps_frozen: bool = False,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        """deposit_seed: derives the deposit addresses; without it no flush is signed. bumps_frozen: what is

        out gets dearer bytes though its money is frozen, as they carry what was signed before.
        """
        self._db = db
        self._deposit_seed = deposit_seed
        self._bumps_frozen = bumps_frozen
        self._keys = {key.address: key for key in keys}
        self._clock = clock
        self._failpoints = failpoints

    async def require_counted(self) -> None:
        """Halted unless the day's sums, kept by the minute, are those of the payouts signed for."""
        async with self._db.read() as conn:
            await signer_ledger.require_counted(conn, self._clock.now() - signer_items.DAY)

    async def sign(self, intent: Intent) -> Signed:
        """Signed bytes for the intent; the same intent gets the same bytes, for ever.

        Raises: SignerRefused, kept as a row; Retryable when the database is not ready, nothing signed then.
        """
        try:
            return await self._sign(intent)
        except SignerRefused as refusal:
            await self.keep_refusal(refusal, intent)
            raise

    async def keep_refusal(self, refusal: SignerRefused, intent: Intent) -> None:
        """A row that says what was asked and why not, also when somebody before the signer refused it."""
        await self._keep_refusal(refusal, _as_json(intent))

    async def marks(self, asked: MarksOf) -> MarksAnswer:
        """How far the wallet's memory goes; its rows are not changed. Raises: SignerRefused."""
        async with self._db.read() as conn:
            wallet = await signer_wallets.get(conn, asked.chain_id, address(asked.wallet, "wallet"))
        if wallet is None:
            raise SignerRefused("wallet_unknown", f"Wallet 0x{asked.wallet.hex()} is unknown.")
        return MarksAnswer(wallet.epoch, wallet.highest_nonce)

    async def rules(self, asked: RulesQuestion) -> Rules:
        """What payouts would be held against now; binds nothing, keeps nothing. Raises: SignerRefused."""
        async with self._db.read() as conn:
            return await signer_items.rules(conn, asked, self._clock.now())

    async def apply(self, change: Change) -> Applied:
        """A new version of a roster or of hard limits, signed by those who are obeyed already.

        Raises: SignerRefused, kept as a row; Retryable when the database is not ready.
        """
        try:
            async with self._db.transaction() as conn:
                return await signer_authority.apply(conn, change)
        except SignerRefused as refusal:
            await self._keep_refusal(refusal, {"kind": "change", "asked": _text(change)})
            raise

    async def _keep_refusal(self, refusal: SignerRefused, asked: Mapping[str, Any]) -> None:
        async with self._db.transaction() as conn:
            await signer_ledger.insert_refusal(conn, at=self._clock.now(), code=refusal.code, request=asked)
            self._failpoints.hit("signer.before_refusal")
        self._failpoints.hit("signer.after_refusal")
        log.warning("signer refused", code=refusal.code, items=[i.name for i in refusal.items])

    async def _sign(self, intent: Intent) -> Signed:
        tx = _build(intent, self._deposit_seed)
        wallet = signer_checks.wallet_of(intent)
        key = self._keys.get(wallet)
        if key is None:
            raise SignerRefused("wallet_unknown", f"There is no key for wallet 0x{wallet.hex()}.")
        slot = SlotKey(intent.chain_id, wallet, intent.nonce)
        async with self._db.transaction() as conn:
            known = await self._commit_meaning(conn, intent, tx, slot)
            if known is None:
                self._failpoints.hit("signer.before_intent_commit")
        if known is not None:
            return Signed(known.tx_hash, known.raw)
        self._failpoints.hit("signer.after_intent_commit")
        signed = tx.signed(await key.sign(tx.digest()))
        async with self._db.transaction() as conn:
            kept = await signer_ledger.keep_signature(conn, slot, Signature(signed.hash, signed.raw, tx.fees))
            self._failpoints.hit("signer.before_bytes_commit")
        self._failpoints.hit("signer.after_bytes_commit")
        return Signed(kept.tx_hash, kept.raw)

    async def _commit_meaning(
        self, conn: Connection, intent: Intent, tx: UnsignedTx, slot: SlotKey
    ) -> Signature | None:
        """Binds the nonce to the content, or finds it bound; a signature that already answers is returned."""
        wallet = await signer_wallets.lock(conn, slot.chain_id, slot.wallet)
        if wallet is None or wallet.role not in _ROLES[type(intent)]:
            raise SignerRefused("wallet_unknown", f"Wallet 0x{slot.wallet.hex()} may not sign this.")
        if intent.epoch < wallet.epoch:
            raise SignerRefused("epoch_stale", f"Epoch {intent.epoch} is over: {wallet.epoch} was seen.")
        bound = await signer_ledger.slot(conn, slot)
        if bound is not None and bound != tx.content():
            raise SignerRefused("slot_taken", f"Nonce {slot.nonce} is bound to other content for ever.")
        answers: Sequence[Signature] = ()
        if bound is not None:
            if intent.epoch > wallet.epoch:
                await signer_wallets.raise_marks(
                    conn, slot.chain_id, slot.wallet, epoch=intent.epoch, nonce=wallet.highest_nonce
                )
            answers = await signer_ledger.signatures(conn, slot)
            for signature in answers:
                if signature.fees == tx.fees:
                    return signature
        if bound is None and isinstance(intent, PayIntent):
            await signer_items.serialize(conn, intent)  # stops are read once it is this question's turn
        stopped: frozenset[str] = frozenset()
        if not isinstance(intent, FillIntent):
            stopped = await self._require_running(conn, intent, wallet, out=bool(answers))
        limits = None if bound is not None else await self._bind(conn, intent, tx, slot, wallet, stopped)
        await self._require_fees(conn, intent, tx.fees, wallet, limits)
        return None

    async def _require_running(
        self, conn: Connection, intent: Intent, wallet: SignerWallet, *, out: bool
    ) -> frozenset[str]:
        """Which of the addresses that are paid an operator denies, as scopes. out: it was signed before.

        Raises: SignerRefused when the kill switch is on. A cancel moves no money: its wallet's counts.
        """
        own, money = stops.wallet(signer_checks.wallet_of(intent)), signer_checks.money_of(intent)
        paid = signer_items.paid(intent) if isinstance(intent, PayIntent) else frozenset()
        stopped = await signer_stops.among(conn, {own, *money, *paid})
        if wallet.frozen or own in stopped:
            raise SignerRefused("wallet_frozen", "The kill switch of this wallet is on.")
        if (all_stopped := stopped.intersection(money)) and not (out and self._bumps_frozen):
            raise SignerRefused("frozen", f"An operator froze {', '.join(sorted(all_stopped))}.")
        return stopped & paid

    async def _require_fees(
        self, conn: Connection, intent: Intent, fees: Fees, wallet: SignerWallet, known: HardLimits | None
    ) -> None:
        """Fee caps, for every signature that does not exist yet. known: what was just read of them."""
        if isinstance(intent, FillIntent):
            highest = await self._highest_fee(conn, intent, wallet)
            signer_checks.require_fees(fees, max_fee_per_gas=highest or 0, max_gas=FILL_GAS_MAX)
            return
        limits: HardLimits | FlushLimits | FeeLimits | PresentLimits
        if isinstance(intent, FlushIntent):
            limits = await signer_checks.flush_limits_of(conn, intent)
        elif isinstance(intent, CancelIntent):
            limits = await signer_checks.cancel_limits_of(conn, intent)
        elif isinstance(intent, TopUpIntent):
            limits = await signer_routes.limits_of(conn, intent)
        elif isinstance(intent, AnchorIntent):
            limits = await signer_heads.limits_of(conn, intent.chain_id, intent.wallet)
        elif isinstance(intent, AuthorizationIntent):
            limits = await signer_presents.limits_of(conn, intent.chain_id, intent.wallet)
        else:
            limits = known or await signer_checks.limits_of(conn, intent)
        signer_checks.require_fees(fees, max_fee_per_gas=limits.max_fee_per_gas, max_gas=limits.max_gas)

    async def _highest_fee(self, conn: Connection, intent: FillIntent, wallet: SignerWallet) -> int | None:
        """The most per gas that what the wallet is there for may cost."""
        if wallet.role == "sweeper":
            return await signer_flush_limits.highest_fee(conn, intent.chain_id)
        if wallet.role == "gas":
            return await signer_top_ups.highest_fee(conn, intent.chain_id, Address(intent.wallet))
        if wallet.role == "anchor":
            return (await signer_heads.limits_of(conn, intent.chain_id, intent.wallet)).max_fee_per_gas
        if wallet.role == "x402":
            return (await signer_presents.limits_of(conn, intent.chain_id, intent.wallet)).max_fee_per_gas
        return await signer_limits.highest_fee(conn, intent.chain_id)

    async def _bind(
        self, conn: Connection, intent: Intent, tx: UnsignedTx, slot: SlotKey, wallet: SignerWallet,
        stopped: frozenset[str],
    ) -> HardLimits | None:  # fmt: skip
        """The nonce, and each payout in it, gets its content for ever; the limits payouts were held against.

        stopped: scopes of the addresses that may not be paid.
        """
        limits = None
        if slot.nonce <= wallet.highest_nonce:
            raise SignerRefused(
                "nonce_below_watermark", f"Nonce {slot.nonce} is not above {wallet.highest_nonce}."
            )
        if wallet.role in _COUNTED and wallet.highest_nonce < slot.nonce - 1:
            raise SignerRefused(
                "nonce_skipped",
                f"Nonces {wallet.highest_nonce + 1} to {slot.nonce - 1} were never asked for here: this"
                " memory is older than the lane, and its day's sum may be short.",
            )
        if isinstance(intent, PayIntent):
            signer_checks.require_short(intent, self._clock.now())
            limits = await signer_items.bind(conn, intent, self._clock.now(), stopped)
        if isinstance(intent, FlushIntent):
            await signer_checks.require_flush(conn, intent)
        if isinstance(intent, TopUpIntent):
            await signer_routes.count(conn, intent, slot, self._clock.now())
        if isinstance(intent, AnchorIntent):
            await signer_heads.keep(conn, intent, slot, self._clock.now())
        if isinstance(intent, AuthorizationIntent):
            await signer_presents.count(conn, intent, slot, self._clock.now())
        await signer_ledger.insert_slot(conn, slot, kind=_KINDS[type(intent)], content=tx.content())
        await signer_wallets.raise_marks(
            conn, slot.chain_id, slot.wallet, epoch=intent.epoch, nonce=slot.nonce
        )  # fmt: skip
        return limits


def _build(intent: Intent, deposit_seed: bytes | None) -> UnsignedTx:
    """The transaction the intent means, built here from nothing but the intent's own words."""
    fees = _fees(intent.fees)
    wallet = signer_checks.wallet_of(intent)
    if not 0 <= intent.nonce < 2**63 or not 0 < intent.chain_id < 2**63 or not 1 <= intent.epoch < 2**63:
        raise SignerRefused("intent_malformed", "Nonce, chain id or epoch is out of range.")
    if isinstance(intent, FillIntent):
        return UnsignedTx(intent.chain_id, intent.nonce, wallet, 0, b"", fees)
    if isinstance(intent, TopUpIntent):
        return signer_routes.transaction(intent, fees)
    if isinstance(intent, AnchorIntent):
        return signer_heads.transaction(intent, fees)
    if isinstance(intent, AuthorizationIntent):
        return signer_presents.transaction(intent, fees)
    if isinstance(intent, FlushIntent):
        calldata = signer_checks.flush_calldata(intent, deposit_seed)
        return UnsignedTx(intent.chain_id, intent.nonce, Address(intent.factory), 0, calldata, fees)
    if isinstance(intent, CancelIntent):
        calldata = signer_checks.cancel_calldata(intent)
    else:
        calldata = signer_checks.batch(intent).calldata()
    return UnsignedTx(intent.chain_id, intent.nonce, Address(intent.vault), 0, calldata, fees)


def _fees(offer: FeeOffer) -> Fees:
    if not 0 <= offer.max_priority_fee_per_gas <= offer.max_fee_per_gas < 2**128:
        raise SignerRefused("intent_malformed", "The tip is more than the cap, or out of range.")
    if not 21_000 <= offer.gas < 2**63:
        raise SignerRefused("intent_malformed", "The gas limit is out of range.")
    return Fees(offer.max_fee_per_gas, offer.max_priority_fee_per_gas, offer.gas)


def _text(change: Change) -> str:
    """As one text: what somebody puts into typed data may be JSON that the database does not keep."""
    return msgspec.json.encode(change).decode()


def _as_json(intent: Intent) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(intent)
    return built
