"""Random commands against the books and against the model, which has to say the same after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random

from psycopg import errors

from bascule.domain.errors import Halted
from bascule.domain.platform_fee import FeeTerms
from bascule.storage import fees, ledger
from bascule.storage.database import Connection, Database
from bascule.storage.ledger import InsufficientFunds
from bascule.storage.verification import verify
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    FORWARDER,
    HEAD_BLOCK,
    MERCHANT,
    OPERATOR,
    STRANGER,
    VAULT,
    Books,
)
from tests.support.ledger_model import Asked, Model, Refusal

INTENT = "pi_1"  # the one that payments of the books are for
Post = Callable[[Connection, str], Awaitable[int]]
PLACES = {FORWARDER: "custody:forwarders", COLLECTOR: "custody:collector", VAULT: "custody:vault"}


class Run:
    """One history: each command is done to the books and to the model, refusals included."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.db, self.random = books, books.db, Random(seed)
        self.model = Model(OPERATOR)
        self.deposits: list[str] = []
        self.done: Counter[str] = Counter()

    async def step(self) -> None:
        """One command, whichever; then both say the same."""
        choices = [self.capital, self.payments, self.accept, self.move, self.ask, self.hold, self.release]
        choices += [self.refund]
        command = self.random.choice([*choices, self.hold, self.pay, self.again, self.charge])
        await command()
        await self.require_same()

    async def chain_step(self) -> None:
        """One of those that the chain dates, or that move nothing."""
        await self.random.choice(self.chain_steps())()
        await self.require_same()

    async def next_block(self, at: datetime) -> None:
        """What happens on chain from now on is in a final block of its own, of that time."""
        block = bytes([max(self.books.block[0], HEAD_BLOCK[0]) + 1]) * 32
        await self.books.run(
            "INSERT INTO blocks (chain_id, hash, number, parent, block_time) VALUES (%s, %s, %s, %s, %s)",
            *(CHAIN, block, block[0], self.books.block, at),
        )
        await self.books.run(
            "UPDATE cursors SET next_number = %s + 1, last_hash = %s, finalized_number = %s,"
            " finalized_hash = %s",
            *(block[0], block, block[0], block),
        )
        self.books.block = block

    def chain_steps(self) -> list[Callable[[], Awaitable[None]]]:
        """Commands that the chain dates, or that move nothing."""
        return [self.capital, self.payments, self.move, self.ask, self.hold, self.pay, self.charge]

    async def capital(self) -> None:
        amount = self.random.randint(1, 500)
        deposit = await self.books.deposit("capital", VAULT, amount)
        await self._book([deposit])
        self.model.arrives("custody:vault", OPERATOR, amount, amount)

    async def payments(self) -> None:
        """A few, booked by one statement: applied whole, in part, or not at all."""
        booked = []
        for _ in range(self.random.randint(1, 3)):
            amount = self.random.randint(1, 500)
            applied = self.random.choice([amount, self.random.randint(1, amount), None])
            deposit = await self.books.deposit("payment", FORWARDER, amount, applied=applied)
            self.model.arrives("custody:forwarders", MERCHANT, amount, applied or 0)
            self.model.charges(MERCHANT, INTENT, applied or 0)
            if applied is not None:
                self.model.pays_intent(amount, applied)
            else:
                self.model.suspended[deposit] = amount
            booked.append(deposit)
        await self._book(booked)

    async def accept(self) -> None:
        """The merchant keeps what waited."""
        if not self.model.suspended:
            return
        deposit = self.random.choice(list(self.model.suspended))
        async with self.db.transaction() as conn:
            await conn.execute(
                "UPDATE applications SET state = 'accepted', reason = NULL WHERE deposit_id = %s", [deposit]
            )
            await ledger.post_application(conn, deposit)
        self.model.charges(MERCHANT, deposit, self.model.suspended[deposit])
        self.model.accepts(deposit, MERCHANT)
        self.deposits.remove(deposit)  # what it would book now is other content

    async def charge(self) -> None:
        """The merchant pays more or less from now on."""
        bps, fixed = self.random.choice(
            [(0, 0), (self.random.randint(0, 10_000), self.random.randint(0, 50))]
        )
        async with self.db.transaction() as conn:
            await fees.set_version(conn, MERCHANT, "usdc", FeeTerms(bps, fixed * 10**12), None)
        self.model.terms = bps, fixed

    async def move(self) -> None:
        """A flush or a top-up of what lies there."""
        source, target = self.random.sample(list(PLACES), 2)
        there = self.model.posted[PLACES[source]]
        if there <= 0 or target == FORWARDER:
            return
        amount = self.random.randint(1, there)
        index = await self.books.transfer(source, target, amount)
        async with self.db.transaction() as conn:
            await ledger.post_internal(conn, CHAIN, self.books.block, index)
        self.model.moves(PLACES[source], PLACES[target], amount)

    async def ask(self) -> None:
        account, amount = self.random.choice([OPERATOR, MERCHANT]), self.random.randint(1, 2_000)
        payout = await self.books.payout(amount, account=account)
        await self.books.run(
            "INSERT INTO payout_approvals (payout_id, approver, digest, signature)"
            " VALUES (%s, %s, sha256(''), decode(repeat('00', 65), 'hex'))",
            payout,
            STRANGER,
        )
        self.model.payouts[payout] = Asked(account, amount)

    async def refund(self) -> None:
        """A part of what was paid goes back, which is booked, or called off before or after that."""
        refund, amount = f"re_{len(self.model.refunds)}", self.random.randint(1, 2_000)
        said: Refusal | None = None
        try:
            await self.books.refund(refund, amount)
        except errors.CheckViolation:
            said = "halted"
        assert said == self.model.gives_back(refund, amount)
        if said is not None:
            self.done["over_refund"] += 1
            return
        booked, ended = self.random.random() < 0.7, self.random.random() < 0.5
        for _ in range(2 if booked else 0):
            async with self.db.transaction() as conn:
                await ledger.post_refund(conn, refund)
            self.model.books_refund(refund, MERCHANT)
        if ended:
            await self.books.run(
                "UPDATE refunds SET state = 'canceled', ended_at = now() WHERE id = %s", refund
            )
            self.model.refunds[refund].counts = False

    async def hold(self) -> None:
        if payout := self._any():
            asked = self.model.payouts[payout]
            if asked.state == "requires_action" and asked.released:
                await self.books.run(
                    "UPDATE payouts SET state = 'pending', holds = holds + 1 WHERE id = %s", payout
                )
                asked.state, asked.released = "pending", False
            said = await self._said(ledger.post_hold, payout)
            assert said == self.model.holds(payout)

    async def release(self) -> None:
        """It is called off first, or not."""
        if payout := self._any():
            asked = self.model.payouts[payout]
            if asked.state == "pending" and self.random.random() < 0.7:
                asked.state = self.random.choice(["requires_action", "canceled"])
                await self.books.move(payout, asked.state)
            said = await self._said(ledger.post_release, payout)
            assert said == self.model.releases(payout)

    async def pay(self) -> None:
        """Paid payouts are booked together; one that holds nothing cannot be among them."""
        ready = [p for p, a in self.model.payouts.items() if a.held and a.state == "pending"]
        chosen: list[str] = []
        for payout in self.random.sample(ready, min(len(ready), 3)):
            total = sum(self.model.payouts[p].amount for p in [*chosen, payout])
            if total <= self.model.posted["custody:vault"]:
                chosen.append(payout)
        for payout in chosen:
            await self.books.pay(payout, self.model.payouts[payout].amount)
            self.model.payouts[payout].state = "paid"
        async with self.db.transaction() as conn:
            await ledger.post_payouts(conn, chosen)
        assert [self.model.pays(payout) for payout in chosen] == [None] * len(chosen)
        self.done["paid"] += len(chosen)

    async def again(self) -> None:
        """What was booked before, once more; and a payout that is not paid."""
        if self.deposits:
            await self._book(self.random.sample(self.deposits, min(len(self.deposits), 3)))
        if payout := self._any():
            said = await self._said(ledger.post_payout, payout)
            assert said == self.model.pays(payout)

    async def require_same(self) -> None:
        """The books, account by account and layer by layer."""
        async with self.db.read() as conn:
            found = await ledger.balances(conn)
        books = {b.code: (b.posted, b.held_debit + b.held_credit) for b in found}
        assert {code: sums for code, sums in books.items() if any(sums)} == self.model.books()

    async def end(self) -> None:
        """What waits for money is called off, what was called off is released; then every invariant holds."""
        for payout, asked in self.model.payouts.items():
            if asked.state == "pending" and not asked.held:
                await self.books.move(payout, "canceled")
            elif asked.state != "pending" and asked.held:
                await self._said(ledger.post_release, payout)
        assert [str(wrong) for wrong in await verify(self.db)] == []
        async with self.db.read() as conn:
            rows = await conn.execute("SELECT account_id, net FROM ledger.balance_transaction")
            moved = Counter[str]()
            for account_id, net in await rows.fetchall():
                moved[f"available:{account_id}"] -= int(net)
        assert {code: sums[0] for code, sums in self.model.books().items() if code in moved} == moved

    def _any(self) -> str | None:
        return self.random.choice(list(self.model.payouts)) if self.model.payouts else None

    async def _book(self, deposits: list[str]) -> None:
        async with self.db.transaction() as conn:
            await ledger.post_deposits(conn, deposits)
        self.deposits += [deposit for deposit in deposits if deposit not in self.deposits]

    async def _said(self, post: Post, payout: str) -> Refusal | None:
        try:
            async with self.db.transaction() as conn:
                await post(conn, payout)
        except InsufficientFunds:
            self.done["insufficient_funds"] += 1
            return "insufficient_funds"
        except Halted:
            self.done["halted"] += 1
            return "halted"
        return None


async def begun(db: Database, seed: int) -> Run:
    """A history in which nothing happened yet."""
    books = Books(db)
    await books.set_up()
    for address in (VAULT, COLLECTOR):
        await books.opening(address, 0, number=9)
    await books.run(
        "INSERT INTO treasury_sources (chain_id, address, label) VALUES (%s, %s, 'bank')", CHAIN, STRANGER
    )
    return Run(books, seed)


async def history(db: Database, seed: int, commands: int) -> Run:
    """So many commands, and its end."""
    run = await begun(db, seed)
    for _ in range(commands):
        await run.step()
    await run.end()
    return run
