"""The closed set of things the signer can be asked for. No digest, no calldata, no destination of a call.

Each intent says what is meant; the signer rebuilds the bytes itself. They travel as JSON (bytes in base64).
"""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec

from bascule.domain.chain import Address, Hash, hash32
from bascule.domain.errors import Rejected
from bascule.domain.fees import Fees
from bascule.domain.hashing import keccak

# Text the signer can keep: PostgreSQL knows no NUL, and nothing of ours is longer.
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$", max_length=400)]

FILL_GAS = 21_000  # the yellow paper's cost of a plain transaction
FILL_GAS_MAX = 1_000_000  # rollups count a transaction's data as gas; what is not used is not paid


class FeeOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fee fields in wei, and the gas limit."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    gas: int

    @classmethod
    def of(cls, fees: Fees) -> FeeOffer:
        """The same as a message."""
        return cls(fees.max_fee_per_gas, fees.max_priority_fee_per_gas, fees.gas)


class BatchPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Where a payout stands: in which of the question's batches, and at which place of its leaves, from 0."""

    batch: int
    place: int


class PayItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One payout, with the approvals people gave for exactly this content, or its place in a batch of theirs.

    reference: the payout's everlasting identity, only for its tag; position: bit in the word; amount: base
    units; expiry: unix seconds; approvals: 65-byte EIP-712 signatures, in a batch the batch's; mandate: which
    of the question's mandates it goes out under, from 0, without approvals of its own.
    """

    payout_id: Text
    account_id: Text
    reference: Text
    position: int
    to: bytes
    amount: int
    expiry: int = 0
    roster_version: int = 0
    approvals: tuple[bytes, ...] = ()
    batch: BatchPlace | None = None
    mandate: int | None = None


class ApprovedBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch that people approved as a whole (`domain.approval.BatchApproval`), once for all its payouts.

    totals: (token, base units); leaves: 32 bytes a payout, in order; expiry: unix seconds; approvals: 65-byte
    EIP-712 signatures.
    """

    batch_id: Text
    account_id: Text
    totals: tuple[tuple[bytes, int], ...]
    leaves: bytes
    expiry: int
    roster_version: int
    approvals: tuple[bytes, ...]


class GivenMandate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mandate that people approved (`domain.mandate.Mandate`), for the question's token.

    purpose: its kind; amounts in base units; expiry: unix seconds; approvals: 65-byte EIP-712 signatures.
    """

    mandate_id: Text
    account_id: Text
    purpose: Text
    destination: Text
    max_per_item: int
    max_per_day: int
    expiry: int
    approvals: tuple[bytes, ...]


class PayIntent(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="pay"
):
    """A vault batch of payouts in a lane's next slot. deadline: unix seconds."""

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    vault: bytes
    lane: int
    expected_head: bytes
    token: bytes
    word: int
    deadline: int
    items: tuple[PayItem, ...]
    batches: tuple[ApprovedBatch, ...] = ()
    mandates: tuple[GivenMandate, ...] = ()


class FillIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fill"):
    """A self-send of nothing, which only consumes a nonce that was never signed for anything else."""

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer


class FlushItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deposit address: clone number `n` of an epoch of the factory."""

    epoch: int
    n: int
    address: bytes


class FlushIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="flush"):
    """What lies at deposit addresses goes to the factory's collector. epoch: of the lane's lease."""

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    factory: bytes
    token: bytes
    items: tuple[FlushItem, ...]


class CancelIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="cancel"):
    """Vault ids that shall never be paid, given up on chain by the canceller's wallet. ids: rising."""

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    vault: bytes
    ids: tuple[int, ...]


class TopUpIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="top_up"):
    """Coin or token from a source wallet to a vault or a gas wallet of ours, along a registered route.

    asset: a token's contract, or twenty zero bytes for the coin; amount: base units, or wei.
    """

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    asset: bytes
    to: bytes
    amount: int


class AnchorIntent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="anchor"):
    """The head of sealed history, written on chain by the anchor's wallet. seal: number; head: hash."""

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    seal: int
    head: bytes


class AuthorizationIntent(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="authorization"
):
    """What a payer signed, presented to the token by the facilitator's wallet (EIP-3009).

    amount: base units; times: unix seconds; signature: the payer's 65 bytes.
    """

    chain_id: int
    wallet: bytes
    nonce: int
    epoch: int
    fees: FeeOffer
    token: bytes
    payer: bytes
    pay_to: bytes
    amount: int
    valid_after: int
    valid_before: int
    authorization_nonce: bytes
    signature: bytes


Intent = (
    PayIntent | FillIntent | FlushIntent | CancelIntent | TopUpIntent | AnchorIntent | AuthorizationIntent
)


class MarksOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the signer remembers a wallet: a question that nothing is signed for."""

    chain_id: int
    wallet: bytes


class MarksAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The highest epoch and nonce the signer ever answered for; -1 for no nonce."""

    epoch: int
    nonce: int


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signer's answer: bytes it has committed, and their hash."""

    tx_hash: bytes
    raw: bytes

    def checked_hash(self) -> Hash:
        """The hash, recomputed from the bytes; a signer that answers otherwise is broken."""
        found = hash32(keccak(self.raw))
        assert found == self.tx_hash, "the hash of the signed bytes"
        return found


class OffendingItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payout, or a deposit address in 0x-hex, that the signer will not sign for, and why."""

    name: str
    code: str


class SignerRefused(Rejected):
    """The signer will not sign. items: those at fault; empty when the question as a whole is."""

    def __init__(self, code: str, message: str, items: tuple[OffendingItem, ...] = ()) -> None:
        super().__init__(code, message)
        self.items = items


class RulesQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What would payouts of these accounts and mandates be held against? Asking binds nothing."""

    chain_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    vault: bytes
    token: bytes
    accounts: tuple[Text, ...]
    mandates: tuple[Text, ...] = ()


class RosterRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account's current roster: `threshold` different members must approve."""

    account_id: str
    version: int
    threshold: int
    members: tuple[bytes, ...]


class MandateRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mandate's count. spent: base units of the token signed for under it in 24 hours."""

    mandate_id: str
    spent: int
    revoked: bool


class AccountRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account's bounds, in base units of the token. destinations: the only ones it pays; none: any."""

    account_id: str
    spent: int
    max_per_day: int
    destinations: tuple[bytes, ...]


class AmountLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most the signer signs for, in base units of the token."""

    per_item: int
    per_day: int


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signer's answer, true when it was given. limits: None when it signs nothing of the token;
    spent: base units signed for in 24 hours; rosters, bounds: of those accounts that have some; mandates: of
    each that was asked about.
    """

    limits: AmountLimits | None
    spent: int
    rosters: tuple[RosterRule, ...]
    mandates: tuple[MandateRule, ...] = ()
    bounds: tuple[AccountRule, ...] = ()


class SignerPort(Protocol):
    """The signer, wherever it runs."""

    async def rules(self, asked: RulesQuestion) -> Rules:
        """What payouts would be held against now. Raises: SignerRefused, Retryable."""
        ...

    async def sign(self, intent: Intent) -> Signed:
        """Bytes the signer has committed; the same intent gets the same bytes. Raises: SignerRefused."""
        ...

    async def marks(self, asked: MarksOf) -> MarksAnswer:
        """How far the signer remembers a wallet. Raises: SignerRefused `wallet_unknown`."""
        ...


def address(raw: bytes, name: str) -> Address:
    """`raw` as an address. Raises: SignerRefused."""
    if len(raw) != 20:
        raise SignerRefused("intent_malformed", f"{name} is not 20 bytes.")
    return Address(raw)
