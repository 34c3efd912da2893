"""The books: postings by object id, balances, and the checks that they add up.

Amounts are read from rows inside the database; nobody here can name one. Every posting is idempotent:
repeated it answers the same transaction id. Where a posting waits for the chain (a block not final yet, money
that the watcher has not booked yet) it is Retryable; what can never be right is Halted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import errors

from bascule.domain.errors import Conflict, Halted, Retryable
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.posting_times import POSTED
from bascule.storage.queries import Queries, Row

Q = Queries("ledger")
_AT_ONCE = 1_000  # deposits in one statement


class InsufficientFunds(Conflict):
    """An account has less than is to be held; `ledger_account` is its code."""

    def __init__(self, ledger_account: str) -> None:
        super().__init__("insufficient_funds", "the account does not have that much available")
        self.ledger_account = ledger_account


class PeriodClosed(Conflict):
    """The books are closed at the moment at which something was to be effective."""

    def __init__(self, message: str) -> None:
        super().__init__("period_closed", message, next_step="book it in the period that is open")


@dataclass(frozen=True)
class Balance:
    """One ledger account in base units, debit positive; `available` as its owner sees it, if any."""

    code: str
    token_id: str
    posted: int
    held_debit: int
    held_credit: int
    available: int | None


@dataclass(frozen=True)
class Violation:
    """A rule of the books that does not hold, for what, and what was found."""

    rule: str
    subject: str
    found: str


async def post_opening(conn: Connection, opening_id: str) -> int | None:
    """Books an opening balance for the operator; None when it was nothing."""
    with _posting("opening"):
        return _optional_id(await Q.scalar(conn, "post_opening", opening_id=opening_id))


async def post_deposit(conn: Connection, deposit_id: str) -> int:
    """Books a finalised deposit: applied to available, the rest to suspense; then its merchant's fee."""
    with _posting("deposit"):
        return int(await Q.scalar(conn, "post_deposit", deposit_id=deposit_id))


async def post_deposits(conn: Connection, deposit_ids: Sequence[str]) -> None:
    """Books finalised deposits, each as `post_deposit` does; when one is refused, none of them."""
    for start in range(0, len(deposit_ids), _AT_ONCE):
        part = deposit_ids[start : start + _AT_ONCE]
        with _posting("deposit", len(part)):
            await Q.run(conn, "post_deposits", deposit_ids=texts(part))


async def post_application(conn: Connection, deposit_id: str) -> int | None:
    """Moves a booked deposit's money from suspense to its merchant, as applied or accepted; then its fee."""
    with _posting("application"):
        return _optional_id(await Q.scalar(conn, "post_application", deposit_id=deposit_id))


async def post_screening(conn: Connection, screening_id: str) -> int | None:
    """Moves what a screening holds out of suspense, or back once it is released; None for nothing booked."""
    with _posting("screening"):
        return _optional_id(await Q.scalar(conn, "post_screening", screening_id=screening_id))


async def post_refund(conn: Connection, refund_id: str) -> int | None:
    """Moves what a pending refund gives back of too much from suspense to its merchant; None for nothing."""
    with _refusals():
        return _optional_id(await Q.scalar(conn, "post_refund", refund_id=refund_id))


async def post_internal(conn: Connection, chain_id: int, block_hash: bytes, log_index: int) -> int | None:
    """Books a final transfer between our own addresses; None when both are in the same class of custody."""
    with _posting("internal"):
        return _optional_id(
            await Q.scalar(
                conn, "post_internal", chain_id=chain_id, block_hash=block_hash, log_index=log_index
            )
        )


async def post_internal_if_covered(
    conn: Connection, chain_id: int, block_hash: bytes, log_index: int
) -> None:
    """As `post_internal`, unless what it moves is not booked yet; the transaction stays usable."""
    with suppress(_Overdraft):
        async with conn.transaction():
            await post_internal(conn, chain_id, block_hash, log_index)


async def post_outflow(conn: Connection, chain_id: int, block_hash: bytes, log_index: int) -> bool:
    """Books a final transfer that left us without a payout; True: as capital that went back to its source.

    Repeated it answers what was decided first.
    """
    with _posting("outflow"):
        row = await Q.one(
            conn, "post_outflow", chain_id=chain_id, block_hash=block_hash, log_index=log_index
        )  # fmt: skip
        return bool(row["explained"])


async def post_found(conn: Connection, chain_id: int, block_hash: bytes, log_index: int) -> int:
    """Books that an outflow or a payout went to an address of ours after all: it is in custody again."""
    with _posting("found"):
        return int(
            await Q.scalar(conn, "post_found", chain_id=chain_id, block_hash=block_hash, log_index=log_index)
        )


async def post_losses(conn: Connection, chain_id: int) -> int:
    """The operator bears what is missing in tokens that are not suspended, if it has it free; how often."""
    with _refusals():  # asked at each final block, mostly for nothing: not timed
        return int(await Q.scalar(conn, "post_losses", chain_id=chain_id))


async def post_hold(conn: Connection, payout_id: str) -> int:
    """Sets a pending payout's money aside. InsufficientFunds leaves the caller's transaction usable."""
    try:
        with _posting("hold"):
            async with conn.transaction():
                return int(await Q.scalar(conn, "post_hold", payout_id=payout_id))
    except _Overdraft as overdraft:
        raise InsufficientFunds(overdraft.ledger_account) from None


async def post_holds(conn: Connection, payout_ids: Sequence[str]) -> None:
    """The same for several, all or none. InsufficientFunds leaves the caller's transaction usable."""
    try:
        with _posting("hold", len(payout_ids)):
            async with conn.transaction():
                await Q.scalar(conn, "post_holds", payout_ids=list(payout_ids))
    except _Overdraft as overdraft:
        raise InsufficientFunds(overdraft.ledger_account) from None


async def post_release(conn: Connection, payout_id: str) -> int:
    """Gives back what a payout holds; it must not be able to pay any more in its present state."""
    with _posting("release"):
        return int(await Q.scalar(conn, "post_release", payout_id=payout_id))


async def post_payout(conn: Connection, payout_id: str) -> int:
    """Books a paid payout by its final transfer and ends its hold.

    What it moved to an address of ours stays in custody, and is the operator's.
    """
    with _posting("payout"):
        return int(await Q.scalar(conn, "post_payout", payout_id=payout_id))


async def post_payouts(conn: Connection, payout_ids: Sequence[str]) -> None:
    """Books paid payouts, each as `post_payout` does; when one is refused, none of them."""
    with _posting("payout", len(payout_ids)):
        await Q.run(conn, "post_payouts", payout_ids=texts(payout_ids))


async def post_gas(conn: Connection, tx_hash: bytes) -> int:
    """Books the fee of a final attempt in the chain's native coin."""
    with _posting("gas"):
        return int(await Q.scalar(conn, "post_gas", tx_hash=tx_hash))


async def balances_of(conn: Connection, account_id: str) -> list[Balance]:
    """What is owed to an account, by ledger account and token."""
    return [_balance(row) for row in await Q.all(conn, "balances_of", account_id=account_id)]


async def balances(conn: Connection) -> list[Balance]:
    """Every ledger account, by code and token."""
    return [_balance(row) for row in await Q.all(conn, "balances")]


async def custody_at(conn: Connection, token_id: str, block_number: int) -> int:
    """What the journal says we hold of a token, up to and including a block, in base units."""
    return int(await Q.scalar(conn, "custody_at", token_id=token_id, block_number=block_number))


async def touches(conn: Connection, tx_id: int, token_id: str | None) -> bool:
    """Whether there is such a transaction, with an entry of the token if one is named."""
    return bool(await Q.scalar(conn, "touches", tx_id=tx_id, token_id=token_id))


async def verify(conn: Connection) -> list[Violation]:
    """Everything in the books that contradicts itself; empty in a sound installation."""
    rows = [*await Q.all(conn, "verify"), *await Q.all(conn, "verify_applications")]
    found = [Violation(row["rule"], row["subject"], row["found"]) for row in rows]
    for row in await Q.all(conn, "trial_balance"):
        if row["posted"] or row["held"]:
            sums = f"posted {row['posted']}, held {row['held']}"
            found.append(Violation("the books sum to zero", row["token_id"], sums))
    return found


class _Overdraft(Retryable):
    """Less is booked than is to be taken: for all but a hold, an earlier posting is still missing."""

    def __init__(self, ledger_account: str) -> None:
        super().__init__(f"{ledger_account} has not enough booked yet")
        self.ledger_account = ledger_account


@contextmanager
def _posting(kind: str, rows: int = 1) -> Iterator[None]:
    """One posting: timed, and its refusals read."""
    with _refusals(), POSTED.timed(kind, rows):
        yield


@contextmanager
def _refusals() -> Iterator[None]:
    """Reads what the functions raise: 55000 waits for the chain, no_overdraft for money; most is Halted."""
    try:
        yield
    except errors.ObjectNotInPrerequisiteState as error:
        raise Retryable(_message(error)) from None
    except errors.CheckViolation as error:
        if error.diag.constraint_name == "no_overdraft":
            raise _Overdraft(error.diag.message_detail or "") from None
        if error.diag.constraint_name == "period_is_open":
            raise PeriodClosed(_message(error)) from None
        raise Halted(_message(error)) from error
    except (errors.RaiseException, errors.UniqueViolation) as error:
        raise Halted(_message(error)) from error


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


def _optional_id(value: object) -> int | None:
    return None if value is None else int(str(value))


def _balance(row: Row) -> Balance:
    free = row["available"]
    return Balance(
        row["code"],
        row["token_id"],
        int(row["posted"]),
        int(row["held_debit"]),
        int(row["held_credit"]),
        None if free is None else int(free),
    )
