"""The sandbox: a merchant's test pays, undoes and disturbs through the API alone, on a real chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.domain.chain import checksum
from bascule.domain.errors import Retryable
from bascule.entrypoints.dev import network
from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.services.expirer import Expirer
from bascule.services.intents import Intents
from bascule.services.mandates import Mandates
from bascule.services.outbox import Outbox
from bascule.services.sandbox_trigger import RECIPES
from bascule.services.seams import SystemEntropy
from bascule.storage import tokens
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.money_out import Treasury, payee, treasury
from tests.support.sandbox import ask, fresh_key, refusal, sandbox_api


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


@pytest.fixture
async def shop(b: Bridge) -> AsyncIterator[httpx.AsyncClient]:
    """The merchant's client; the default payer has test money."""
    secret = await fresh_key(b.owner, b.merchant, b.clock)
    async with sandbox_api(b.api, b.clock, {b.node.dev.chain_id: b.node.url}, secret) as client:
        await ask(client, "tokens/faucet", currency="usdt", amount="1000.00", to=b.node.accounts[-1].address)
        await ask(client, "chain/mine")
        yield client


async def intent(shop: httpx.AsyncClient, amount: str = "25.00") -> dict[str, Any]:
    found: dict[str, Any] = (
        await shop.post("/v1/payment_intents", json={"amount": amount, "currency": "usdt"})
    ).json()
    return found


async def read(shop: httpx.AsyncClient, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await shop.get(f"/v1/payment_intents/{made['id']}")).json()
    return found


async def test_payment_from_the_sandbox_is_found_final_and_booked_like_any_other(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    watcher = await b.started()
    made = await intent(shop)

    sent = await ask(shop, f"payment_intents/{made['id']}/pay")
    head = await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)

    done = await read(shop, made)
    assert (done["status"], done["amount_confirmed"], done["flags"]) == ("succeeded", "25.000000", [])
    assert [each["hash"] for each in done["evidence"]["transactions"]] == [sent["tx_hash"]]
    assert sent["from"] == b.node.accounts[-1].address
    assert (sent["amount_atomic"], sent["token"]) == ("25000000", b.token.id)
    assert head["block_hash"] == "0x" + b.node.dev.chain.index.head.hash.hex()
    assert await b.booked() == {"custody:forwarders": 25_000_000, "available:merchant": -25_000_000}


async def test_payment_too_small_is_completed_by_the_next_one_and_a_third_is_too_much(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    watcher = await b.started()
    made = await intent(shop)
    path = f"payment_intents/{made['id']}/pay"

    async def paid(**body: Any) -> tuple[str, str]:
        await ask(shop, path, **body)
        await ask(shop, "chain/mine")
        await b.settle_down(watcher)
        now = await read(shop, made)
        return now["status"], now["amount_received"]

    assert await paid(amount="24.00") == ("requires_action", "24.000000")
    assert await paid() == ("processing", "25.000000")
    assert await refusal(shop, path) == (400, "parameter_missing", "amount")
    await paid(amount="3.00")

    assert [each["amount"] for each in await b.deposits()] == ["24.000000", "1.000000", "3.000000"]
    assert "duplicate" in (await read(shop, made))["flags"]


async def test_what_the_suspect_pays_is_held_for_a_merchant_who_has_a_test_key_alone(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    """By the list it stands on, as everybody's is: what another payer sends counts."""
    suspect = checksum(WellKnownPurse().suspect)
    await ask(shop, "tokens/faucet", currency="usdt", amount="100.00", to=suspect)
    await b.node.transact(b.account(1), to=suspect, value=10**18)
    watcher = await b.started()
    held, other = await intent(shop), await intent(shop)

    sent = await ask(shop, f"payment_intents/{held['id']}/pay", **{"from": suspect})
    await ask(shop, f"payment_intents/{other['id']}/pay")
    await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)

    shown = await read(shop, held)
    assert (shown["status"], shown["flags"], shown["amount_received"]) == (
        "requires_action",
        ["held"],
        "0.000000",
    )
    assert sent["from"] == suspect
    listed = (await shop.get("/v1/deposits", params={"payment_intent": held["id"]})).json()["data"]
    assert [(each["unapplied_reason"], each["next_steps"]) for each in listed] == [("held", [])]
    assert (await read(shop, other))["status"] == "succeeded"
    told = await b.rows("SELECT object_id FROM outbox WHERE type = 'payment_intent.held'")
    assert told == [(held["id"],)]
    assert await b.rows("SELECT id, imported_by FROM screening_lists") == [("sandbox.1", "process:sandbox")]


async def test_what_is_too_little_to_count_counts_for_nothing_whichever_floor_it_is_under(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    """Amounts that do so beside `bascule dev`, whose floors these are."""
    async with b.owner.transaction() as conn:
        await tokens.set_floors(conn, b.token.id, network.DUST, network.MINIMUM)
    watcher = await b.started()
    made = await intent(shop)

    for amount in ("0.00005", "0.0005", "0.001"):
        await ask(shop, f"payment_intents/{made['id']}/pay", amount=amount)
    await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)

    listed = (await shop.get("/v1/deposits", params={"payment_intent": made["id"]})).json()["data"]
    seen = {each["amount"]: each["unapplied_reason"] for each in listed}
    assert seen == {"0.000050": "dust", "0.000500": "below_minimum", "0.001000": None}
    assert (await read(shop, made))["amount_received"] == "0.001000"


async def test_reorg_that_drops_the_payment_takes_the_intent_back(b: Bridge, shop: httpx.AsyncClient) -> None:
    watcher = await b.started()
    made = await intent(shop)
    sent = await ask(shop, f"payment_intents/{made['id']}/pay")
    await ask(shop, "chain/mine")
    await b.settle_down(watcher)
    assert (await read(shop, made))["status"] == "processing"

    nowhere = "0x" + "ab" * 32
    absent = await refusal(shop, "chain/reorg", depth=1, drop=[sent["tx_hash"], nowhere])
    assert absent == (400, "transaction_not_there", "drop[1]")
    assert (await read(shop, made))["status"] == "processing", "nothing has changed"
    await ask(shop, "chain/reorg", depth=1, drop=[sent["tx_hash"]])
    await b.settle_down(watcher)

    gone = await read(shop, made)
    assert (gone["status"], gone["amount_received"], gone["flags"]) == (
        "requires_action",
        "0.000000",
        ["reorged"],
    )
    await ask(shop, f"payment_intents/{made['id']}/pay")
    await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)
    assert (await read(shop, made))["status"] == "succeeded"


async def test_watcher_behind_a_silent_or_lying_node_books_nothing_until_the_fault_is_over(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    watcher = await b.started()
    made = await intent(shop)
    await ask(shop, f"payment_intents/{made['id']}/pay")
    await ask(shop, "chain/mine", blocks=5)

    for body in ({"kind": "drop"}, {"kind": "empty"}):
        fault = await ask(shop, "chain/faults", **body)
        with pytest.raises(Retryable):
            await b.settle_down(watcher)
        assert (await read(shop, made))["amount_received"] == "0.000000"
        await shop.delete(f"/v1/test_helpers/chain/faults/{fault['id']}")
    await b.settle_down(watcher)

    assert (await read(shop, made))["status"] == "succeeded"


async def test_each_triggered_event_is_told_because_it_happened(b: Bridge, shop: httpx.AsyncClient) -> None:
    watcher = await b.started()
    made = {type: (await ask(shop, "events/trigger", type=type))["payment_intent"] for type in RECIPES}
    await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)

    told = await b.rows("SELECT type, object_id FROM outbox")
    assert {type for type, _ in told} >= set(made)
    assert set(told) >= {pair for pair in made.items() if pair[0].startswith("payment_intent.")}
    shown = (await shop.get(f"/v1/payment_intents/{made['payment_intent.succeeded']}")).json()
    assert (shown["status"], shown["metadata"]) == ("succeeded", {"triggered": "payment_intent.succeeded"})


async def test_same_idempotency_key_pays_once_and_gets_the_same_answer(
    b: Bridge, shop: httpx.AsyncClient
) -> None:
    watcher = await b.started()
    made = await intent(shop)
    path, key = f"/v1/test_helpers/payment_intents/{made['id']}/pay", {"idempotency-key": "pay-once"}

    first = await shop.post(path, json={"amount": "5.00"}, headers=key)
    second = await shop.post(path, json={"amount": "5.00"}, headers=key)
    other = await shop.post(path, json={"amount": "6.00"}, headers=key)

    assert first.status_code == 200
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    await ask(shop, "chain/mine")
    await b.settle_down(watcher)
    assert [each["amount"] for each in await b.deposits()] == ["5.000000"]


@asynccontextmanager
async def treasurer(stage: Treasury) -> AsyncIterator[httpx.AsyncClient]:
    secret = await fresh_key(stage.owner, stage.operator, stage.clock)
    async with sandbox_api(
        stage.api, stage.clock, {stage.node.dev.chain_id: stage.node.url}, secret
    ) as client:
        yield client


async def test_payout_that_fell_out_of_the_pool_is_sent_again_and_paid_once(
    db_as: OpenAs, tmp_path: Path
) -> None:
    async with treasury(db_as, tmp_path) as stage, treasurer(stage) as sandbox:
        payout = await stage.approved("10.50", payee(1))
        submitter = await stage.submitter()
        await submitter.run_once()
        [first] = (await stage.read(payout))["transactions"]

        await ask(sandbox, "chain/drop_tx", tx_hash=first["hash"])
        await stage.follow(2)
        assert await stage.transfers_out() == []
        again = await refusal(sandbox, "chain/drop_tx", tx_hash=first["hash"])
        stage.clock.advance(timedelta(seconds=16))
        await stage.run(submitter)

        assert again == (409, "transaction_not_waiting", "tx_hash")
        paid = await stage.read(payout)
        assert (paid["status"], [t["hash"] for t in paid["transactions"]]) == ("paid", [first["hash"]])
        await stage.require_truth()


async def test_gas_spike_makes_a_payout_wait_until_its_fees_are_raised(db_as: OpenAs, tmp_path: Path) -> None:
    async with treasury(db_as, tmp_path) as stage, treasurer(stage) as sandbox:
        payout = await stage.approved("10.50", payee(1))
        submitter = await stage.submitter()
        await submitter.run_once()

        spike = await ask(sandbox, "chain/gas_spike", base_fee=5 * 10**9, blocks=100)
        rounds = 0
        while (await stage.status(payout)) != "paid":
            rounds += 1
            assert rounds < 30, await stage.read(payout)
            stage.clock.advance(timedelta(seconds=61))
            await stage.run(submitter)

        attempts = (await stage.read(payout))["transactions"]
        block = await stage.node.rpc("eth_getBlockByNumber", "latest", False)
        assert int(block["baseFeePerGas"], 16) == int(spike["base_fee"]) == 5 * 10**9
        assert (rounds, len(attempts)) == (1, 2), "one bump goes to what the chain asks for"
        await stage.require_truth()


async def test_time_that_goes_on_ends_what_is_unpaid_and_spares_what_was_sent_before(
    b: Bridge, shop: httpx.AsyncClient, db_as: OpenAs
) -> None:
    entropy = SystemEntropy()
    intents = Intents(b.clock, entropy, Outbox(b.clock, entropy), deposit_seed=b"")
    expirer = Expirer(await db_as("worker"), b.clock, intents, Mandates(b.clock, entropy, intents.outbox))
    watcher = await b.started()
    sent, unpaid = await intent(shop), await intent(shop)
    await ask(shop, f"payment_intents/{sent['id']}/pay")
    life = sent["expires_at"] - sent["created"]

    gone = await ask(shop, "test_clocks/advance", seconds=life)
    b.clock.advance(3)
    await b.settle_down(watcher)
    await expirer.run_once()
    in_time, late = await read(shop, sent), await read(shop, unpaid)
    assert (in_time["status"], in_time["flags"]) == ("processing", [])
    assert (late["status"], late["flags"]) == ("requires_action", ["expired"])
    assert gone["moved"]["payment_intents"] == 2
    assert gone["heads"][0]["block_number"] == b.node.dev.chain.index.head.number

    await ask(shop, f"payment_intents/{unpaid['id']}/pay", amount="1.00")
    await ask(shop, "chain/mine")
    await b.settle_down(watcher)
    assert "late" in (await read(shop, unpaid))["flags"]
    await ask(shop, "test_clocks/advance", seconds=late["closes_at"] - late["expires_at"])
    b.clock.advance(3)
    await b.settle_down(watcher)
    await expirer.run_once()
    assert (await read(shop, unpaid))["status"] == "canceled"
    await ask(shop, f"payment_intents/{unpaid['id']}/pay", amount="24.00")
    await ask(shop, "chain/mine", blocks=5)
    await b.settle_down(watcher)
    assert (await read(shop, sent))["status"] == "succeeded"
    assert (await b.deposits())[-1]["unapplied_reason"] == "intent_closed"
