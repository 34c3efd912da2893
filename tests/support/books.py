"""Rows the books are read from: an installation with an operator, a merchant, a token and two blocks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from bascule.storage import ledger
from bascule.storage.database import Database

CHAIN = 31337
OPERATOR, MERCHANT = "acct_operator", "acct_merchant"
USD, NATIVE, FAKE = "tok_usd", "tok_native", "tok_fake"
CONTRACT, FAKE_CONTRACT = b"\xc0" * 20, b"\xfa" * 20
VAULT, COLLECTOR, WALLET, FORWARDER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20, b"\x04" * 20
STRANGER = b"\x99" * 20
FINAL_BLOCK, HEAD_BLOCK = b"\x0a" * 32, b"\x0b" * 32  # numbers 10 (final) and 11

SETUP = """
INSERT INTO accounts (id, kind, name) VALUES
    ('acct_operator', 'operator', 'O'), ('acct_merchant', 'merchant', 'M');
INSERT INTO networks (chain_id, name, livemode, finality_kind) VALUES (31337, 'local', false, 'finalized');
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted) VALUES
    ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true),
    ('tok_fake', 31337, decode(repeat('fa', 20), 'hex'), 'usdc', 6, false),
    ('tok_native', 31337, decode(repeat('00', 20), 'hex'), 'eth', 18, false);
INSERT INTO own_addresses (chain_id, address, kind) VALUES
    (31337, decode(repeat('01', 20), 'hex'), 'vault'),
    (31337, decode(repeat('02', 20), 'hex'), 'collector'),
    (31337, decode(repeat('03', 20), 'hex'), 'wallet');
INSERT INTO blocks (chain_id, hash, number, parent, block_time) VALUES
    (31337, decode(repeat('0a', 32), 'hex'), 10, decode(repeat('09', 32), 'hex'), now()),
    (31337, decode(repeat('0b', 32), 'hex'), 11, decode(repeat('0a', 32), 'hex'), now());
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash) VALUES
    (31337, 12, decode(repeat('0b', 32), 'hex'), now(), 10, decode(repeat('0a', 32), 'hex'));
INSERT INTO payment_intents (id, account_id, livemode, currency, due, accepted_tokens, expires_at, closes_at,
    client_secret, created_at) VALUES
    ('pi_1', 'acct_merchant', false, 'usdc', 1, '{tok_usd}', now(), now(), 's', now());
INSERT INTO deadlines (intent_id, due_at) SELECT id, expires_at FROM payment_intents;
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n) VALUES
    (31337, decode(repeat('04', 20), 'hex'), 'pi_1', 'acct_merchant', decode(repeat('05', 20), 'hex'), 0, 0);
INSERT INTO wallets (chain_id, address, name) VALUES (31337, decode(repeat('03', 20), 'hex'), 'vault-0');
INSERT INTO slots (chain_id, wallet, nonce, kind, epoch, max_fee_per_gas, max_priority_fee_per_gas, gas)
    VALUES (31337, decode(repeat('03', 20), 'hex'), 0, 'fill', 1, 2, 1, 21000);
"""


@dataclass
class Books:
    """Writes rows as their owners would; each method is one statement by the database's owner."""

    db: Database
    block: bytes = (
        FINAL_BLOCK  # what happens on chain is in it, unless said otherwise; its first byte is its number
    )
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def set_up(self) -> None:
        async with self.db.read() as conn:
            await conn.execute(SETUP.encode())

    async def run(self, statement: str, *values: object) -> None:
        async with self.db.read() as conn:
            await conn.execute(statement.encode(), values)

    async def transfer(
        self,
        src: bytes,
        dst: bytes,
        amount: int,
        *,
        token: bytes = CONTRACT,
        block: bytes | None = None,
        canonical: bool = True,
    ) -> int:
        """A log in a block; answers its index."""
        block = block or self.block
        index = next(self._numbers)
        await self.run(
            "INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst,"
            " amount, occurrence, canonical) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s)",
            *(CHAIN, block, index, block[0], index.to_bytes(32, "big"), token, src, dst, amount, canonical),
        )
        return index

    async def deposit(
        self,
        kind: str,
        dst: bytes,
        amount: int,
        *,
        applied: int | None = None,
        state: str = "finalized",
        token: bytes = CONTRACT,
        token_id: str | None = USD,
        block: bytes | None = None,
    ) -> str:
        """A deposit with its transfer; of kind payment with an application of `applied` (None: unapplied)."""
        block = block or self.block
        index = await self.transfer(STRANGER, dst, amount, token=token, block=block)
        deposit_id = f"dep_{index}"
        account = MERCHANT if kind == "payment" else OPERATOR
        await self.run(
            "INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst,"
            " occurrence, token_id, amount, block_hash, block_number, block_time, log_index, state,"
            " created_at, finalized_at)"
            " VALUES (%s, %s, false, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, now(), %s, %s, now(),"
            " CASE WHEN %s = 'finalized' THEN now() END)",
            *(deposit_id, account, kind, CHAIN, index.to_bytes(32, "big"), token, STRANGER, dst, token_id),
            *(amount, block, block[0], index, state, state),
        )
        if kind == "payment":
            await self.run(
                "INSERT INTO applications (deposit_id, intent_id, state, reason, amount_applied)"
                " VALUES (%s, 'pi_1', %s, %s, %s)",
                *(deposit_id, "unapplied" if applied is None else "applied"),
                *("held" if applied is None else None, applied or 0),
            )
        return deposit_id

    async def opening(self, address: bytes, amount: int, token: bytes = CONTRACT, number: int = 10) -> str:
        opening_id = f"opn_{next(self._numbers)}"
        await self.run(
            "INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *(opening_id, CHAIN, address, token, number, FINAL_BLOCK, amount),
        )
        return opening_id

    async def payout(
        self, amount: int, *, account: str = OPERATOR, state: str = "pending", holds: int = 1
    ) -> str:
        payout_id = f"po_{next(self._numbers)}"
        await self.run(
            "INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination,"
            " amount, state, approvals_required, approval_expires_at, roster_version, policy_decision, holds,"
            " requested_by, created_at)"
            " VALUES (%s, %s, false, %s, %s, %s, %s, %s, %s, %s, 1, now(), 1, '{}', %s, 'key_1', now())",
            *(payout_id, account, payout_id, USD, CHAIN, VAULT, STRANGER, amount, state, holds),
        )
        return payout_id

    async def refund(self, refund_id: str, amount: int) -> None:
        """Money of the payment goes back to the payer, who signed. Raises: CheckViolation for too much."""
        await self.run(
            "INSERT INTO refunds (id, account_id, livemode, identity, payment_intent_id, token_id, amount,"
            " requested_by, created_at, payer, destination, pays_at, state)"
            " VALUES (%s, %s, false, %s, 'pi_1', %s, %s, 'key_1', now(), %s, %s, now(), 'pending')",
            *(refund_id, MERCHANT, refund_id, USD, amount, STRANGER, STRANGER),
        )

    async def settlement(self, settlement_id: str, amount: int) -> None:
        """The first period of the merchant, which waits for its payout."""
        await self.run(
            "INSERT INTO balance_settings (account_id, livemode, token_id, schedule, updated_by, updated_at)"
            " VALUES (%s, false, %s, 'manual', 'key_1', now())",
            *(MERCHANT, USD),
        )
        await self.run(
            "INSERT INTO settlements (id, account_id, livemode, token_id, period, requested_by, created_at,"
            " amount) VALUES (%s, %s, false, %s, 1, 'key_1', now(), %s)",
            *(settlement_id, MERCHANT, USD, amount),
        )

    async def move(self, payout_id: str, state: str) -> None:
        await self.run(
            "UPDATE payouts SET state = %s, failure_code = CASE WHEN %s = 'failed' THEN 'token_paused' END"
            " WHERE id = %s",
            *(state, state, payout_id),
        )

    async def pay(
        self, payout_id: str, amount: int, *, dst: bytes = STRANGER, block: bytes | None = None
    ) -> int:
        """The vault's transfer for a payout, and the payout paid by it."""
        block = block or self.block
        index = await self.transfer(VAULT, dst, amount, block=block)
        await self.run(
            "UPDATE payouts SET state = 'paid', paid_at = now(), paid_block_hash = %s, paid_log_index = %s,"
            " vault_id = %s WHERE id = %s",
            *(block, index, index, payout_id),
        )
        return index

    async def attempt(self, fee: int | None, *, state: str = "final", number: int = 10) -> bytes:
        tx_hash = next(self._numbers).to_bytes(32, "big")
        await self.run(
            "INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas,"
            " max_priority_fee_per_gas, gas, state, block_hash, block_number, succeeded, fee_paid)"
            " VALUES (%s, %s, %s, 0, 'x', %s, 1, 21000, %s, %s, %s, true, %s)",
            *(tx_hash, CHAIN, WALLET, int.from_bytes(tx_hash, "big"), state, FINAL_BLOCK, number, fee),
        )
        return tx_hash


async def posted(db: Database) -> dict[str, int]:
    """Posted balances by code (and token, where it is not the dollar)."""
    async with db.read() as conn:
        rows = await ledger.balances(conn)
        assert await ledger.verify(conn) == []
    return {r.code + ("" if r.token_id == USD else f" {r.token_id}"): r.posted for r in rows}


async def in_transaction(db: Database, post: Callable[..., Awaitable[object]], subject: object) -> object:
    async with db.transaction() as conn:
        return await post(conn, subject)


async def fund(books: Books, amount: int = 100) -> None:
    await in_transaction(books.db, ledger.post_opening, await books.opening(VAULT, amount))
