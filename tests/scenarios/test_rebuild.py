"""The books made anew, from the chain and from commands: ours are the same, or what is not is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.domain.platform_fee import FeeTerms
from bascule.services.rebuilding import Rebuild
from bascule.storage import fees
from bascule.storage.database import Database
from bascule.storage.rebuild.differences import Compared
from tests.support.money_out import OpenAs, payee
from tests.support.postgres import TestServer
from tests.support.rebuilding import empty_beside, said
from tests.support.refunding import Refunding, refunding


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(db_as, tmp_path) as built:
        yield built


@pytest.fixture
async def anew(postgres_server: TestServer, database_name: str) -> AsyncIterator[Database]:
    """An empty database of the newest schema."""
    async with empty_beside(postgres_server, f"{database_name}_rebuild") as made:
        yield made


async def compared(b: Refunding, into: Database) -> Compared:
    chain_id = b.stage.network.chain_id
    return await Rebuild(b.stage.owner, into, {chain_id: b.world.rpc()}, [chain_id]).compare()


async def lived(b: Refunding) -> None:
    """Payments, one of them too much, under two versions of fees; flushes, refunds, payouts, a withdrawal."""
    await b.paid("20.00")
    async with b.stage.owner.transaction() as conn:
        await fees.set_version(conn, b.world.merchant, "usdt", FeeTerms(250, 10**17), None)
    over = await b.paid("10.00", "12.50")
    await b.world.planner().run_once()
    await b.stage.run(await b.world.sweeper(), rounds=2)
    refund = await b.claimed(await b.refund(over, overpayment_only=True))
    await b.turn()
    await b.approve(refund)
    await b.pay()
    await b.paid("10.00", "10.00", "3.00", "4.00")
    listed = (await b.client.get("/v1/deposits")).json()["data"]
    first, other = [each["id"] for each in listed if "refund" in each["next_steps"]]
    back = await b.claimed(await b.post(f"/v1/deposits/{first}/refund"), payee(2))
    await b.post(f"/v1/deposits/{other}/refund")  # nobody claims it
    await b.turn()
    await b.approve(back)
    await b.pay()
    asked = {"currency": "usdt", "network": "eip155:31337", "to": payee(1)}
    spent = await b.post("/v1/payouts", amount="5.00", **asked)
    await b.sign(f"/v1/payouts/{spent['id']}")
    await b.post(f"/v1/payouts/{spent['id']}/cancel")
    sent = await b.post("/v1/payouts", amount="7.00", **asked)
    await b.sign(f"/v1/payouts/{sent['id']}")
    await b.pay()
    await b.stage.vault_owner("withdraw(address,uint256)", b.stage.token.contract, 1_000_000)
    await b.stage.follow(4)


async def test_books_made_anew_from_the_chain_and_the_commands_are_ours(b: Refunding, anew: Database) -> None:
    await lived(b)
    kinds = await b.stage.rows("SELECT DISTINCT kind FROM ledger.tx ORDER BY 1")
    assert [kind for (kind,) in kinds] == [
        "deposit", "fee", "gas", "hold", "internal", "opening", "outflow", "payout", "refund", "release",
    ]  # fmt: skip

    found = await compared(b, anew)

    assert said(found) == []
    assert (found.transactions,) == (await b.stage.rows("SELECT count(*)::int FROM ledger.tx"))[0]


INVENT = """
INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount,
                       occurrence)
SELECT chain_id, block_hash, 900, block_number, sha256('never'), token, src, dst, 5, 0
  FROM deposits WHERE id = 'DEP';
INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst, occurrence,
                      token_id, amount, block_hash, block_number, block_time, log_index, state, created_at,
                      finalized_at)
SELECT 'dep_never', account_id, livemode, kind, chain_id, sha256('never'), token, src, dst, 0, token_id,
       5, block_hash, block_number, block_time, 900, 'finalized', created_at, finalized_at
  FROM deposits WHERE id = 'DEP';
INSERT INTO applications (deposit_id, state, reason, amount_applied)
VALUES ('dep_never', 'unapplied', 'no_intent', 0);
SELECT ledger.post_deposit('dep_never');
"""
EDIT = """
UPDATE ledger.entry AS e SET amount = -21000000 FROM ledger.tx AS t
 WHERE t.id = e.tx_id AND t.source_id = 'DEP' AND e.amount = -20000000;
"""
LOSE = """
DELETE FROM ledger.booked WHERE tx_id IN (SELECT id FROM ledger.tx WHERE source_id = 'DEP');
DELETE FROM ledger.entry WHERE tx_id IN (SELECT id FROM ledger.tx WHERE source_id = 'DEP');
DELETE FROM ledger.tx WHERE source_id = 'DEP';
"""
FORGET = (
    LOSE
    + """
DELETE FROM applications WHERE deposit_id = 'DEP';
DELETE FROM transfers AS t USING deposits AS d
 WHERE d.id = 'DEP' AND (t.chain_id, t.block_hash, t.log_index) = (d.chain_id, d.block_hash, d.log_index);
DELETE FROM deposits WHERE id = 'DEP';
"""
)


async def tamper(b: Refunding, statements: str, subject: str = "") -> None:
    """What somebody does who owns the server and turns its triggers off."""
    async with b.stage.owner.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute(statements.replace("DEP", subject).encode())


@pytest.mark.wrong("G1", "G2", "G3", "G6", "G7", "G12")
async def test_each_thing_that_the_chain_or_a_command_did_not_do_is_named(
    b: Refunding, anew: Database
) -> None:
    for amount in ("20.00", "10.00", "30.00"):
        await b.paid(amount)
    await b.world.planner().run_once()
    await b.stage.run(await b.world.sweeper(), rounds=2)
    sent = await b.post("/v1/payouts", amount="7.00", currency="usdt", network="eip155:31337", to=payee(1))
    await b.sign(f"/v1/payouts/{sent['id']}")
    await b.pay()
    rows = await b.stage.rows(
        "SELECT id, chain_id, block_hash, log_index FROM deposits ORDER BY block_number"
    )
    (edited, *_), (forgotten, *place), (kept, *_) = rows
    await tamper(b, EDIT, edited)
    await tamper(b, LOSE, sent["id"])
    await tamper(b, FORGET, forgotten)
    async with b.stage.owner.transaction() as conn:
        await conn.execute(INVENT.replace("DEP", kept).encode())

    differences = (await compared(b, anew)).differences
    found = {(each.fact, each.what): (each.expected, each.found) for each in differences}

    available, vault = "posted of available:acct_merchant, tok_usdt", "posted of custody:vault, tok_usdt"
    forwarders = "posted of custody:forwarders, tok_usdt"
    assert found["deposit " + edited, available] == ("-20000000", "-21000000")
    assert found["payout " + sent["id"], vault] == ("-7000000", "nothing")
    assert found["deposit dep_never", "transfer on the chain"][0] == "none"
    assert found["deposit dep_never", forwarders] == ("nothing", "5")
    never_booked = f"{place[0]}/{place[1].hex()}/{place[2]}"
    assert found["deposit " + never_booked, forwarders] == ("10000000", "nothing")
    assert found["transfer " + never_booked, "booked as"] == ("deposit " + never_booked, "nothing")
    assert {fact for fact, _ in found if not fact.startswith(("account", "transfer"))} == {
        "deposit " + edited, "payout " + sent["id"], "deposit dep_never", "deposit " + never_booked,
    }  # fmt: skip
