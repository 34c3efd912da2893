"""Stories of evidence: every final deposit has it, of the block where it is, and it proves itself offline."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.chain import families
from bascule.chain.errors import IncompleteAnswer
from bascule.chain.evidence_check import Check, check
from bascule.chain.pool import pool
from bascule.domain.errors import NotFound
from bascule.entrypoints.api import deposit_objects, evidence_objects
from bascule.services import deposits, evidence
from bascule.storage import networks
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as, finalized=6) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def evidence_of(b: Bridge, deposit: dict[str, Any]) -> dict[str, Any]:
    async with b.api.read() as conn:
        return await deposits.evidence_of(conn, deposit["id"])


def checked(evidence: dict[str, Any]) -> list[Check]:
    return check(json.dumps(evidence).encode())


async def test_each_final_deposit_of_a_full_block_proves_itself_offline(b: Bridge) -> None:
    watcher = await b.started()
    intents = [await b.intent("1.00") for _ in range(5)]
    for intent in intents:
        await b.send(deposit_address(intent), "1.00")
    await b.mine()
    await b.settle_down(watcher)
    [early, *_] = await b.deposits("detected")
    assert early["evidence"] is None
    with pytest.raises(NotFound, match="no evidence yet"):
        await evidence_of(b, early)
    await b.finalize(watcher)
    await b.finalize(watcher)

    final = await b.deposits("finalized")

    assert len(final) == 5
    for deposit in final:
        assert deposit["evidence"] == {
            "verified": "receipts",
            "url": f"/v1/deposits/{deposit['id']}/evidence",
        }
        proof = await evidence_of(b, deposit)
        deposit_objects.Deposit.model_validate(deposit, strict=True)
        evidence_objects.DepositEvidence.model_validate(proof, strict=True)
        assert [each.ok for each in checked(proof)] == [True] * 6
        assert proof["claims"]["tx_hash"] == deposit["tx_hash"]
        assert proof["finality"] == "finalized"
        assert proof["nodes"] == [b.node.url.removeprefix("http://").rstrip("/")]
    assert await b.rows("SELECT count(*) FROM deposit_proofs") == [(5,)]  # one for each receipt
    [told] = await b.rows(
        "SELECT count(*) FROM outbox WHERE type = 'deposit.finalized' AND object#>>'{evidence,url}' <> ''"
    )
    assert told == (5,)


async def test_a_deposit_mined_again_elsewhere_shows_the_block_where_it_is(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("3.00")
    await b.pay(intent, "3.00")
    await b.settle_down(watcher)
    await b.node.dev.reorg(1)
    await b.finalize(watcher)
    await b.finalize(watcher)

    [deposit] = await b.deposits("finalized")
    proof = await evidence_of(b, deposit)

    assert await b.rows("SELECT count(*) FROM deposit_proofs") == [
        (2,)
    ]  # the orphaned block's stays beside it
    assert proof["claims"]["block_hash"] == deposit["block_hash"]
    assert all(each.ok for each in checked(proof))


async def test_a_block_proven_before_evidence_was_kept_is_asked_again_before_it_is_final(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("3.00")
        await b.pay(intent, "3.00")
        await b.settle_down(watcher)
        async with b.owner.transaction() as conn:
            await conn.execute("DELETE FROM deposit_proofs")
        node.twist = lambda method, params, result: [] if method == "eth_getBlockReceipts" else result
        await b.mine(8)
        with pytest.raises(IncompleteAnswer):
            await b.settle_down(watcher)
        assert await b.deposits("finalized") == []

        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)

    [deposit] = await b.deposits("finalized")
    assert all(each.ok for each in checked(await evidence_of(b, deposit)))


async def test_a_block_proven_before_headers_were_learned_to_prove_nothing_shows_what_was_proven_then(
    b: Bridge,
) -> None:
    """No header proves its receipts any more when the evidence is asked for; finality goes on."""
    nodes = pool([(b.rpc(), 1), (b.rpc(), 1)], chain_id=b.network.chain_id, quorum=2)
    watcher = b.watcher(nodes)
    await b.settle_down(watcher)
    intent = await b.intent("3.00")
    await b.pay(intent, "3.00")
    await b.settle_down(watcher)
    async with b.owner.transaction() as conn:
        await conn.execute("DELETE FROM deposit_proofs")
        await networks.learn(conn, b.network.chain_id, "receipts")
    await b.mine(8)
    await b.settle_down(watcher)

    [deposit] = await b.deposits("finalized")
    shown = await evidence_of(b, deposit)
    assert (shown["verified"], shown["proof"], shown["agreement"] is None) == ("quorum", None, False)


async def test_evidence_of_many_blocks_is_asked_for_again_a_few_at_a_time(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of them is final before all is there, and no question grows with the gap."""
    monkeypatch.setattr(evidence, "BLOCKS_AT_ONCE", 2)
    watcher = await b.started()
    await b.settle_down(watcher)
    intent = await b.intent("5.00")
    for _ in range(5):
        await b.pay(intent, "1.00")
    await b.settle_down(watcher)
    await watcher.release()
    async with b.owner.transaction() as conn:
        await conn.execute("DELETE FROM deposit_proofs")
    asked: list[int] = []

    async def count(request: str) -> None:
        if "eth_getBlockReceipts" in request:
            asked.append(request.count("eth_getBlockReceipts"))

    async with lying_node(b.node.url) as node:
        node.before = count
        watcher = b.watcher(node.url)
        await b.mine(8)
        finals = []
        while await watcher.run_once():
            finals.append(len(await b.deposits("finalized")))

    assert asked == [2, 2, 1]
    assert finals[:2] == [0, 0]
    final = await b.deposits("finalized")
    assert len(final) == 5
    for deposit in final:
        assert all(each.ok for each in checked(await evidence_of(b, deposit)))


async def test_a_chain_whose_headers_prove_nothing_shows_the_word_of_its_nodes(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(families.FAMILIES, b.network.chain_id)  # type: ignore[attr-defined]
    async with lying_node(b.node.url) as node:
        node.twist = lambda method, params, result: (
            {**result, "mixHash": "0x" + "99" * 32} if "eth_getBlockBy" in method and result else result
        )
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("3.00")
        await b.pay(intent, "3.00")
        await b.finalize(watcher)
        await b.finalize(watcher)

    [deposit] = await b.deposits("finalized")
    proof = await evidence_of(b, deposit)

    assert deposit["evidence"]["verified"] == "quorum"
    assert (proof["proof"], len(proof["agreement"])) == (None, 66)
    assert "Nothing is proven" in proof["not_proven"][0]
    assert [(each.name, each.ok) for each in checked(proof)] == [("checksum", True), ("proof", False)]
