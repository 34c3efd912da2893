"""What a vault's owner withdraws: booked at finality, as capital that went back, or as missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.rpc import Rpc
from bascule.chain.vault import BATCH_PAID
from bascule.domain.chain import Address, checksum, parse_address
from bascule.entrypoints import explaining_upkeep
from bascule.entrypoints.cli.app import run
from bascule.services.reconciler import Reconciler
from bascule.services.seams import SystemEntropy
from bascule.storage import payment_intents, verification
from tests.scenarios.test_money_out_batches import MILLION
from tests.support.chain import calldata
from tests.support.money_out import FLOAT, OpenAs, Treasury, treasury
from tests.support.nodes import lying_node


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.setenv("BASCULE_DATABASE_URL", built.owner.url)
        monkeypatch.setenv("BASCULE_CHAINS", f"{built.network.chain_id}={built.node.url}")
        yield built


async def bascule(*words: str) -> None:
    assert await asyncio.to_thread(run, [*words]) == 0


async def register_the_treasury(stage: Treasury) -> None:
    where = ["--chain", str(stage.network.chain_id), "--address", stage.node.accounts[2].address]
    await bascule("sources", "add", *where, "--label", "treasury")


async def withdraw(stage: Treasury, units: int) -> None:
    """In a block, read, not final."""
    await stage.vault_owner("withdraw(address,uint256)", checksum(stage.token.contract), units)
    await stage.follow()


async def send_back(stage: Treasury, units: int) -> None:
    data = calldata("transfer(address,uint256)", [stage.vault, units])
    to = checksum(stage.token.contract)
    assert (await stage.node.transact(stage.node.accounts[2], to=to, data=data))["status"] == "0x1"
    await stage.follow(3)


async def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    await bascule(*words, "--json")
    line = next(line for line in capsys.readouterr().out.splitlines() if line[:1] in "{[")
    found = json.loads(line)
    return found[0] if isinstance(found, list) else found


async def require_even(stage: Treasury, capsys: pytest.CaptureFixture[str], held: int) -> None:
    """Chain, journal and float say the same, nothing waits to be booked, and every invariant holds."""
    outbox = stage.use_cases.outbox
    rpcs = {stage.network.chain_id: Rpc(stage.node.url, session=stage.session, guard=lambda: None)}
    reconciler = Reconciler(stage.owner, stage.clock, SystemEntropy(), outbox, rpcs)
    [(_, compared)] = await reconciler.reconcile()
    assert (compared.on_chain, compared.journal, compared.unbooked) == (held, held, 0)
    assert (await told(capsys, "float"))["held"] == f"{held // MILLION}.000000"
    assert await verification.verify(stage.owner) == []


async def booked(stage: Treasury) -> list[tuple[Any, ...]]:
    return await stage.rows(
        "SELECT split_part(a.code, ':', 1), e.amount FROM ledger.tx x JOIN ledger.entry e ON e.tx_id = x.id"
        " JOIN ledger.account a ON a.id = e.account_id WHERE x.kind = 'outflow' ORDER BY x.id, e.seq"
    )


async def stood(stage: Treasury) -> dict[str, int]:
    """What each kind of account stands at, in base units of the token."""
    rows = await stage.rows(
        "SELECT split_part(code, ':', 1), sum(posted) FROM ledger.balances WHERE token_id = %s GROUP BY 1",
        stage.token.id,
    )
    return {code: int(posted) for code, posted in rows}


async def test_what_the_owner_withdraws_to_a_source_of_capital_leaves_the_books_at_finality(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    await register_the_treasury(stage)
    payout = await stage.approved("4.00")

    await withdraw(stage, 30 * MILLION)
    assert await booked(stage) == [], "not final"
    await stage.run(rounds=2)

    assert await stage.status(payout) == "paid"
    assert await booked(stage) == [("available", 30 * MILLION), ("custody", -30 * MILLION)]
    await require_even(stage, capsys, FLOAT - 34 * MILLION)

    await send_back(stage, 30 * MILLION)
    await require_even(stage, capsys, FLOAT - 4 * MILLION)
    assert await stage.rows("SELECT count(*) FROM breaks") == [(0,)]


async def test_what_is_withdrawn_to_nobody_we_know_is_a_break_and_stops_payouts_until_a_person_resumes(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    await withdraw(stage, 30 * MILLION)
    await stage.follow(3)

    assert await booked(stage) == [("expense", 30 * MILLION), ("custody", -30 * MILLION)]
    await require_even(stage, capsys, FLOAT - 30 * MILLION)
    [(broken, why, to)] = await stage.rows(
        "SELECT id, evidence->>'why', evidence->>'to' FROM breaks WHERE type = 'unexplained_outflow'"
    )
    assert (why, to) == ("to_nobody_we_know", stage.node.accounts[2].address)
    async with stage.owner.read() as conn:
        assert "bascule tokens resume" in (await explaining_upkeep.difference(conn, broken))["next"]

    payout = await stage.approved("4.00")
    await stage.run()
    assert (await stage.status(payout), (await stage.read(payout))["waits_for"]) == (
        "pending",
        "token_suspended:unexplained_outflow",
    )

    await register_the_treasury(stage)
    await send_back(stage, 30 * MILLION)
    await bascule("tokens", "resume", stage.token.id, "--reason", "a drill of the owner's")
    await stage.run(rounds=2)

    assert await stage.status(payout) == "paid"
    await require_even(stage, capsys, FLOAT - 4 * MILLION)
    assert await stage.rows("SELECT state FROM breaks WHERE id = %s", broken) == [("resolved",)]
    assert len(await booked(stage)) == 2, "once, whoever is registered since"
    left = FLOAT - 4 * MILLION
    assert await stood(stage) == {"available": -left, "custody": left, "expense": 0}, "the operator bears it"


async def test_withdrawal_that_was_missed_is_booked_by_the_replay_that_finds_it(
    stage: Treasury, db_as: OpenAs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WATCHER", (await db_as("watcher")).url)
    await withdraw(stage, 30 * MILLION)
    await stage.rows_change(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM transfers WHERE src IN (SELECT address FROM own_addresses WHERE kind = 'vault')"
    )
    await stage.follow(3)
    assert await booked(stage) == []

    words = [
        "watcher",
        "replay",
        "--chain",
        str(stage.network.chain_id),
        "--from",
        "1",
        "--reason",
        "a drill",
    ]
    for differs in (1, 0):
        assert await asyncio.to_thread(run, words) == differs

    assert [code for code, _ in await booked(stage)] == ["expense", "custody"]
    assert await stage.rows("SELECT type FROM breaks") == [("unexplained_outflow",)]
    await require_even(stage, capsys, FLOAT - 30 * MILLION)


async def test_node_that_invents_a_batch_hides_no_money_that_left(
    stage: Treasury, db_as: OpenAs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch that the rows do not know would be left for `bascule restore check`, and tell nobody."""
    topics = ["0x" + BATCH_PAID.hex(), *("0x" + "00" * 32 for _ in range(3))]
    batch = {"address": stage.vault.lower(), "topics": topics, "data": "0x" + "00" * 96, "logIndex": "0x1"}

    def invent(method: str, params: Any, result: Any) -> Any:
        if result and method == "eth_getTransactionReceipt":
            return result | {"logs": [*result["logs"], batch]}
        return result

    async with lying_node(stage.node.url) as liar:
        liar.twist = invent
        await stage.watcher.release()
        stage.restart_watcher(await db_as("watcher"), liar.url)
        await withdraw(stage, 30 * MILLION)
        await stage.follow(3)

        assert [code for code, _ in await booked(stage)] == ["expense", "custody"]
        await require_even(stage, capsys, FLOAT - 30 * MILLION)


@pytest.mark.slow
async def test_what_the_issuer_takes_out_of_a_deposit_address_is_booked_as_missing(
    stage: Treasury, db_as: OpenAs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Transfer that no key of ours made: here the address has a key, which the issuer is given."""
    customer, address = stage.node.accounts[2], stage.node.accounts[8]
    chain_id, at = stage.network.chain_id, parse_address(address.address)
    async with stage.owner.transaction() as conn:
        await payment_intents.insert_lost(conn, chain_id, [(at, 0)], factory=Address(b"\7" * 20), epoch=0)
    await stage.watcher.release()
    stage.restart_watcher(await db_as("watcher"))
    token = checksum(stage.token.contract)
    await stage.issuer("mint(address,uint256)", address.address, 20 * MILLION)
    taken = calldata("transfer(address,uint256)", [customer.address, 20 * MILLION])
    assert (await stage.node.transact(address, to=token, data=taken))["status"] == "0x1"
    await stage.follow(4)

    assert await booked(stage) == [("expense", 20 * MILLION), ("custody", -20 * MILLION)]
    [(why, source)] = await stage.rows(
        "SELECT evidence->>'why', evidence->>'from' FROM breaks WHERE type = 'unexplained_outflow'"
    )
    assert (why, source) == ("to_nobody_we_know", address.address)
    await require_even(stage, capsys, FLOAT)


async def test_more_than_the_operator_has_free_is_missing_though_it_went_to_a_source(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is promised to a payout is not the owner's to take."""
    await register_the_treasury(stage)
    await stage.approved("4.00")

    await withdraw(stage, FLOAT - MILLION)
    await stage.follow(3)

    assert [code for code, _ in await booked(stage)] == ["expense", "custody"]
    why = await stage.rows("SELECT evidence->>'why' FROM breaks WHERE type = 'unexplained_outflow'")
    assert why == [("more_than_the_operator_has_free",)]
    await require_even(stage, capsys, MILLION)
