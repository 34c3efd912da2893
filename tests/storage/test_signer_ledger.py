"""The signer's memory only grows, and other processes cannot reach it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from psycopg import errors

from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.storage import signer_ledger, signer_limits, signer_rosters, signer_wallets
from bascule.storage.database import Database
from bascule.storage.signer_ledger import Item, SlotKey
from tests.support.cases import case
from tests.support.money_out import OpenAs
from tests.support.signing import ACCOUNT, CHAIN, KEY, TOKEN, VAULT, Desk


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


async def test_memory_cannot_be_emptied_even_by_its_owner(desk: Desk) -> None:
    await desk.signer().sign(desk.pay())
    async with desk.owner.transaction() as conn:
        await signer_ledger.insert_refusal(conn, at=desk.clock.now(), code="c", request={})

    async with desk.owner.read() as conn:
        for table in ("items", "spendings", "slots", "signatures", "refusals", "rosters", "limits"):
            for statement in (f"DELETE FROM signer.{table}", f"TRUNCATE signer.{table} CASCADE"):
                with case(statement), pytest.raises(errors.InsufficientPrivilege):
                    await conn.execute(statement.encode())


async def test_sum_of_a_day_is_that_of_its_items_whenever_it_is_asked_for(desk: Desk) -> None:
    place, start = (CHAIN, VAULT, TOKEN), desk.clock.now().replace(second=0, microsecond=0)
    signed: list[tuple[datetime, int]] = []
    async with desk.owner.transaction() as conn:
        for n, seconds in enumerate((0, 0, 1, 59, 60, 60, 61, 3_600, 86_399, 86_400, 86_401)):
            at = start + timedelta(seconds=seconds, microseconds=n % 2)
            signed.append((at, 10**n))
            item = Item(f"po_{n}", ACCOUNT, *place[:2], n, TOKEN, 10**n, Hash(bytes(32)))
            assert await signer_ledger.insert_items(conn, [item], at) == {item.payout_id}
            assert await signer_ledger.insert_items(conn, [item], at) == frozenset()
            if n in (2, 3, 10):  # signed again: at once, in the same minute, and a day later
                at += timedelta(seconds=n - 2, days=n // 10)
                await signer_ledger.count_again(conn, [item], at)
                signed[-1] = (at, 10**n)

    async with desk.db.read() as conn:
        for since in {at + timedelta(microseconds=by) for at, _ in signed for by in (-1, 0, 1)}:
            found = await signer_ledger.spent_since(conn, *place, since)
            assert found == sum(amount for at, amount in signed if at > since)
        await signer_ledger.require_counted(conn, start)


async def test_signer_does_not_start_over_sums_that_are_not_those_of_its_items(desk: Desk) -> None:
    await desk.signer().sign(desk.pay())
    await desk.signer().require_counted()
    async with desk.db.read() as conn:
        with pytest.raises(errors.InsufficientPrivilege):
            await conn.execute("UPDATE signer.spendings SET amount = 0")

    async with desk.owner.read() as conn:
        await conn.execute("UPDATE signer.spendings SET amount = amount - 1")
    with pytest.raises(Halted, match=r"signer\.spendings"):
        await desk.signer().require_counted()


MOVED = {
    "counts earlier": "signed_at = signed_at - interval '1 microsecond'",
    "pays more": "amount = amount + 1",
    "is of another batch": "batch_id = 'pb_1'",
    "is another account's": "account_id = 'acct_1'",
}


async def test_item_that_was_signed_for_stays_what_it_is_and_counts_no_earlier(desk: Desk) -> None:
    await desk.signer().sign(desk.pay())

    for db in (desk.owner, desk.db):
        async with db.read() as conn:
            for name, change in MOVED.items():
                with case(name), pytest.raises(errors.InsufficientPrivilege):
                    await conn.execute(f"UPDATE signer.items SET {change}".encode())


@pytest.mark.parametrize("change", ["epoch = 0", "highest_nonce = -1"])
async def test_marks_of_a_wallet_never_fall(desk: Desk, change: str) -> None:
    await desk.begins_at(5)
    await desk.signer().sign(desk.pay(nonce=5, epoch=3))

    async with desk.owner.read() as conn:
        with pytest.raises(errors.Error):
            await conn.execute(f"UPDATE signer.wallets SET {change}".encode())
    async with desk.db.transaction() as conn:
        await signer_wallets.raise_marks(conn, CHAIN, KEY.address, epoch=1, nonce=1)
        wallet = await signer_wallets.lock(conn, CHAIN, KEY.address)
    assert wallet is not None
    assert (wallet.epoch, wallet.highest_nonce) == (3, 5)


async def test_newest_roster_and_limits_rule(desk: Desk) -> None:
    one = Address(b"\x0a" * 20)
    async with desk.owner.transaction() as conn:
        await signer_rosters.add(conn, ACCOUNT, version=2, threshold=1, members=[one])
        version = await signer_limits.set(
            conn,
            CHAIN,
            vault=VAULT,
            token=TOKEN,
            limits=signer_limits.HardLimits(1, 2, 3, 4),
        )
    assert version == 2

    async with desk.db.read() as conn:
        rosters = await signer_rosters.current(conn, [ACCOUNT, "acct_nobody"])
        assert rosters == {ACCOUNT: signer_rosters.Roster(2, 1, frozenset({one}))}
        assert await signer_limits.current(conn, CHAIN, VAULT, TOKEN) == signer_limits.HardLimits(1, 2, 3, 4)
        assert await signer_limits.highest_fee(conn, CHAIN) == 3
        assert await signer_limits.highest_fee(conn, 1) is None


async def test_signer_cannot_write_its_own_authority(desk: Desk) -> None:
    async with desk.db.read() as conn:
        for table in ("rosters", "roster_members", "limits", "wallets"):
            with case(table), pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(f"INSERT INTO signer.{table} SELECT * FROM signer.{table}".encode())


UNPROVEN = {
    "a version without signatures": (
        "INSERT INTO signer.rosters (account_id, version, threshold, signatures)"
        " SELECT account_id, version + 1, 1, '[]' FROM signer.rosters"
    ),
    "limits without signatures": (
        "INSERT INTO signer.limits (chain_id, vault, token, version, max_per_item, max_per_day,"
        " max_fee_per_gas, max_gas, signatures)"
        " SELECT chain_id, vault, token, version + 1, 1, 1, 1, 1, '[]' FROM signer.limits"
    ),
    "one more member of a roster that stands": (
        "INSERT INTO signer.roster_members SELECT account_id, version, decode(repeat('66', 20), 'hex')"
        " FROM signer.rosters"
    ),
}


async def test_signer_writes_no_authority_that_nobody_signed(desk: Desk) -> None:
    async with desk.db.read() as conn:
        for name, statement in UNPROVEN.items():
            with case(name), pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(statement.encode())


async def test_versions_have_no_gaps_whoever_writes_them(desk: Desk) -> None:
    async with desk.owner.read() as conn:
        with pytest.raises(errors.CheckViolation):
            await signer_rosters.add(conn, ACCOUNT, version=3, threshold=1, members=[KEY.address])


@pytest.mark.parametrize("role", ["api", "submitter", "watcher", "worker"])
async def test_other_processes_cannot_read_the_signers_memory(db_as: OpenAs, role: str) -> None:
    db: Database = await db_as(role)

    async with db.read() as conn:
        with pytest.raises(errors.InsufficientPrivilege):
            await signer_ledger.slot(conn, SlotKey(CHAIN, KEY.address, 0))
