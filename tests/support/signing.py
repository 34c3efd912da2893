"""A signer with a roster of three, and questions to it that are right unless changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.approval import PayoutApproval
from bascule.domain.chain import Address, parse_address
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.signer import Signer
from bascule.services.signing_intents import FeeOffer, FillIntent, PayIntent, PayItem
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_limits, signer_rosters, signer_wallets
from bascule.storage.database import Database
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Genesis
from tests.support.money_out import approver
from tests.support.money_out_setup import START
from tests.support.stage_clock import StageClock

CHAIN = 31_337
VAULT, TOKEN = Address(b"\x01" * 20), Address(b"\xc0" * 20)
ACCOUNT = "acct_treasury"
SECRET = b"\x07" * 32
KEY = LocalKey(SECRET)
FEES = FeeOffer(2_000_000_000, 1_000_000_000, 400_000)
DEADLINE = int(START.timestamp()) + 1_800
LIMITS = HardLimits(
    max_per_item=1_000, max_per_day=2_500, max_fee_per_gas=100_000_000_000, max_gas=16_000_000
)


@dataclass
class Desk:
    """The signer's database with its administration written; a signer is made when asked for."""

    owner: Database
    db: Database
    clock: StageClock = field(default_factory=StageClock)

    async def set_up(self) -> Desk:
        members = [parse_address(approver(number).address) for number in (1, 2, 3)]
        async with self.owner.transaction() as conn:
            await signer_rosters.begin(conn, Genesis(ACCOUNT, CHAIN, VAULT))
            await signer_rosters.add(conn, ACCOUNT, version=1, threshold=2, members=members)
            await signer_limits.set(conn, CHAIN, vault=VAULT, token=TOKEN, limits=LIMITS)
            await signer_wallets.add(conn, CHAIN, KEY.address)
        return self

    async def begins_at(self, nonce: int) -> None:
        """The wallet was used before it was the signer's, which signed nothing for it yet."""
        async with self.owner.transaction() as conn:
            await signer_wallets.raise_marks(conn, CHAIN, KEY.address, epoch=0, nonce=nonce - 1)

    def signer(self, failpoints: Failpoints = NO_FAILPOINTS) -> Signer:
        return Signer(self.db, [KEY], self.clock, failpoints=failpoints)

    def item(self, position: int = 0, *, by: tuple[int, ...] = (1, 2), **changes: Any) -> PayItem:
        """A payout that `by` approved as it stands after the changes, unless `approvals` are given."""
        made = PayItem(
            payout_id=changes.pop("payout_id", f"po_{position}"),
            account_id=changes.pop("account_id", ACCOUNT),
            reference=f"reference {position}",
            position=position,
            to=changes.pop("to", b"\x50" * 20),
            amount=changes.pop("amount", 100),
            expiry=changes.pop("expiry", int((self.clock.now() + timedelta(days=1)).timestamp())),
            roster_version=changes.pop("roster_version", 1),
            approvals=(),
        )
        given = changes.pop("approvals", None)
        assert not changes, changes
        signed = tuple(approval(made, number) for number in by) if given is None else given
        return msgspec.structs.replace(made, approvals=signed)

    def pay(self, *items: PayItem, **changes: Any) -> PayIntent:
        question = PayIntent(
            chain_id=CHAIN,
            wallet=KEY.address,
            nonce=0,
            epoch=1,
            fees=FEES,
            vault=VAULT,
            lane=0,
            expected_head=bytes(32),
            token=TOKEN,
            word=0,
            deadline=DEADLINE,
            items=items or (self.item(),),
        )
        return msgspec.structs.replace(question, **changes)

    def soon(self) -> int:
        """A deadline that the signer takes now."""
        return int(self.clock.now().timestamp()) + 1_800

    def fill(self, **changes: Any) -> FillIntent:
        fees = FeeOffer(2_000_000_000, 1_000_000_000, 21_000)
        return msgspec.structs.replace(FillIntent(CHAIN, KEY.address, 0, 1, fees), **changes)

    async def count(self, table: str) -> int:
        async with self.owner.read() as conn:
            cursor = await conn.execute(f"SELECT count(*) FROM signer.{table}".encode())
            [(found,)] = await cursor.fetchall()
        return int(found)


def approval(
    item: PayItem, number: int, *, token: Address = TOKEN, vault: Address = VAULT, chain_id: int = CHAIN
) -> bytes:
    """What person `number` signs for the item, with a wallet's own EIP-712 code."""
    typed = PayoutApproval(
        item.account_id,
        item.payout_id,
        token,
        Address(item.to),
        item.amount,
        item.expiry,
        item.roster_version,
    ).typed_data(chain_id, vault)
    signed = Account.sign_message(encode_typed_data(full_message=typed), approver(number).private_key)
    return bytes(signed.signature)
