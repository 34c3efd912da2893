"""What the signer holds an intent against, whatever it pays: that it means a call, and the hard limits."""

from __future__ import annotations

from datetime import datetime

from bascule.chain.factory import flush_calldata as flush_call
from bascule.chain.vault import cancel_calldata as cancel_call
from bascule.domain import forwarder, stops
from bascule.domain import vault as layout
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Rejected
from bascule.domain.fees import Fees
from bascule.domain.flush import ADDRESSES_MAX
from bascule.services.signing_intents import (
    AuthorizationIntent,
    CancelIntent,
    FlushIntent,
    Intent,
    OffendingItem,
    PayIntent,
    PayItem,
    SignerRefused,
    TopUpIntent,
    address,
)
from bascule.storage import signer_flush_limits, signer_limits
from bascule.storage.database import Connection
from bascule.storage.signer_flush_limits import FlushLimits
from bascule.storage.signer_limits import FeeLimits, HardLimits


def wallet_of(intent: Intent) -> Address:
    """The wallet the intent is for. Raises: SignerRefused."""
    return address(intent.wallet, "wallet")


def money_of(intent: Intent) -> tuple[str, ...]:
    """The scopes under which an operator may have frozen what the intent moves."""
    if isinstance(intent, PayIntent | FlushIntent | AuthorizationIntent):
        return stops.money(intent.chain_id, Address(intent.token))
    if isinstance(intent, TopUpIntent):
        return stops.money(intent.chain_id, address(intent.asset, "asset"))
    return ()


def batch(intent: PayIntent) -> layout.Batch:
    """The vault call the intent means. Raises: SignerRefused when it means none."""
    positions = [item.position for item in intent.items]
    if not 1 <= len(positions) <= layout.ITEMS_PER_WORD or positions != sorted(set(positions)):
        raise SignerRefused("intent_malformed", "A batch has 1 to 256 items in rising order.")
    if positions[0] < 0 or positions[-1] > 255:
        raise SignerRefused("intent_malformed", "A position is a bit of a word, 0 to 255.")
    if not 0 <= intent.lane <= layout.LANE_MAX or intent.word < 0 or intent.word >> 216 != intent.lane:
        raise SignerRefused("intent_malformed", "The word is of another lane.")
    if len({item.payout_id for item in intent.items}) != len(intent.items):
        raise SignerRefused("intent_malformed", "A payout stands twice in the batch.")
    if not all(0 <= item.batch.batch < len(intent.batches) for item in intent.items if item.batch):
        raise SignerRefused("intent_malformed", "An item stands in a batch that is not told.")
    if len({each.batch_id for each in intent.batches}) != len(intent.batches):
        raise SignerRefused("intent_malformed", "A batch of approvals is told twice.")
    _require_mandates(intent)
    if len(intent.expected_head) != 32 or not 0 <= intent.deadline < 2**64:
        raise SignerRefused("intent_malformed", "The head or the deadline is out of range.")
    address(intent.vault, "vault")
    try:
        return layout.Batch(
            token=address(intent.token, "token"),
            lane=intent.lane,
            expected_head=Hash(intent.expected_head),
            word=intent.word,
            items=tuple(_packed(item) for item in intent.items),
            tags=tuple(layout.tag(item.reference) for item in intent.items),
            deadline=intent.deadline,
        )
    except Rejected as error:
        raise SignerRefused(error.code, error.message) from None


def _require_mandates(intent: PayIntent) -> None:
    told = [item.mandate for item in intent.items if item.mandate is not None]
    if not all(0 <= place < len(intent.mandates) for place in told):
        raise SignerRefused("intent_malformed", "An item goes out under a mandate that is not told.")
    if len({each.mandate_id for each in intent.mandates}) != len(intent.mandates):
        raise SignerRefused("intent_malformed", "A mandate is told twice.")


def require_fees(fees: Fees, *, max_fee_per_gas: int, max_gas: int) -> None:
    """Raises: SignerRefused when a fee or the gas limit is above the signer's own cap."""
    if fees.max_fee_per_gas > max_fee_per_gas:
        raise SignerRefused("fee_above_cap", f"{fees.max_fee_per_gas} wei per gas, cap {max_fee_per_gas}.")
    if fees.gas > max_gas:
        raise SignerRefused("gas_above_cap", f"{fees.gas} gas, cap {max_gas}.")


def require_short(intent: PayIntent, now: datetime) -> None:
    """Raises: SignerRefused when bytes that are kept back could pay for longer than any batch may."""
    if intent.deadline > (now + layout.LONGEST_BATCH_LIFE).timestamp():
        raise SignerRefused("deadline_too_late", f"A batch runs for {layout.LONGEST_BATCH_LIFE} at most.")


def flush_calldata(intent: FlushIntent, deposit_seed: bytes | None) -> bytes:
    """The call of the factory the intent means, its salts derived here. Raises: SignerRefused."""
    if deposit_seed is None:
        raise SignerRefused("seed_missing", "This signer has no deposit seed, so it signs no flush.")
    factory, token = address(intent.factory, "factory"), address(intent.token, "token")
    places = [(item.epoch, item.n) for item in intent.items]
    if not 1 <= len(places) <= ADDRESSES_MAX or places != sorted(set(places)):
        raise SignerRefused(
            "intent_malformed", f"A flush has 1 to {ADDRESSES_MAX} addresses in rising order."
        )
    if not all(0 <= e <= forwarder.EPOCH_MAX and 0 <= n <= forwarder.NUMBER_MAX for e, n in places):
        raise SignerRefused("intent_malformed", "An epoch or a number of an address is out of range.")
    faults = [
        OffendingItem("0x" + item.address.hex(), "address_unknown")
        for item in intent.items
        if forwarder.deposit_address(factory, deposit_seed, item.epoch, item.n) != item.address
    ]
    if faults:
        raise SignerRefused(
            "items_refused", f"{len(faults)} of {len(places)} addresses are not ours.", tuple(faults)
        )
    return flush_call([forwarder.salt(deposit_seed, *place) for place in places], token)


async def flush_limits_of(conn: Connection, intent: FlushIntent) -> FlushLimits:
    """The hard limits that rule the flush. Raises: SignerRefused when factory or token is not registered."""
    limits = await signer_flush_limits.current(
        conn, intent.chain_id, Address(intent.factory), Address(intent.token)
    )
    if limits is None:
        raise SignerRefused("token_not_allowed", "There are no limits for this token and factory.")
    return limits


async def require_flush(conn: Connection, intent: FlushIntent) -> None:
    """Raises: SignerRefused when it is not within the hard limits."""
    limits = await flush_limits_of(conn, intent)
    if len(intent.items) > limits.max_addresses:
        raise SignerRefused("too_many_addresses", f"{len(intent.items)}, at most {limits.max_addresses}.")


def cancel_calldata(intent: CancelIntent) -> bytes:
    """The vault call the intent means. Raises: SignerRefused when it means none."""
    address(intent.vault, "vault")
    ids = intent.ids
    if not 1 <= len(ids) <= layout.ITEMS_PER_WORD or list(ids) != sorted(set(ids)):
        raise SignerRefused("intent_malformed", "A cancel has 1 to 256 ids in rising order.")
    if ids[0] < 0 or ids[-1] >= 2**256:
        raise SignerRefused("intent_malformed", "An id is out of range.")
    return cancel_call(ids)


async def cancel_limits_of(conn: Connection, intent: CancelIntent) -> FeeLimits:
    """The fees a cancel may cost. Raises: SignerRefused for a vault this signer pays nothing from."""
    limits = await signer_limits.of_vault(conn, intent.chain_id, Address(intent.vault))
    if limits is None:
        raise SignerRefused("vault_unknown", "There are no limits for this vault.")
    return limits


async def limits_of(conn: Connection, intent: PayIntent) -> HardLimits:
    """The hard limits that rule the batch. Raises: SignerRefused when its token has none."""
    limits = await signer_limits.current(
        conn, intent.chain_id, Address(intent.vault), Address(intent.token)
    )  # fmt: skip
    if limits is None:
        raise SignerRefused("token_not_allowed", "There are no limits for this token and vault.")
    return limits


def _packed(item: PayItem) -> int:
    return layout.pack_item(item.position, item.amount, address(item.to, "to"))
