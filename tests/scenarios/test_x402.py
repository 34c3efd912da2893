"""Payments by x402: a payer's signature becomes a deposit on the books, once, whoever presents it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.authorizations import in_version_1, request
from tests.support.cases import long_after
from tests.support.crashing import Crash, Crashing
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs
from tests.support.nodes import lying_node
from tests.support.paying_x402 import DOMAIN, HOUR, STATE, Till, client_of, secret_of, till


@pytest.fixture
async def shop(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Till]:
    async with till(db_as, tmp_path) as built:
        yield built
        await built.world.require_even()


async def test_signature_becomes_a_deposit_on_the_books_and_the_same_payload_is_the_same_payment(
    shop: Till,
) -> None:
    payment = shop.payment(1_500_000)
    assert (await shop.ask("verify", payment))["isValid"] is True

    first = await shop.ask("settle", payment)
    assert (first["success"], first["errorReason"], first["transaction"]) == (False, "settlement_pending", "")
    await shop.work()
    settled = await shop.ask("settle", payment)

    assert settled["success"] is True
    assert await shop.received() == [1_500_000]
    assert await shop.stored() == [("settled", None)]
    assert await shop.books() == {"available": 1_500_000}
    found = (await shop.client.get(f"/v1/authorizations/{settled['extra']['authorization']}")).json()
    deposit = (await shop.client.get(f"/v1/deposits/{found['deposit']}")).json()
    assert (deposit["tx_hash"], deposit["application"]["status"]) == (settled["transaction"], "accepted")
    assert (await shop.ask("verify", payment))["invalidReason"] == "invalid_exact_evm_nonce_already_used"
    booked = await shop.stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'gas'")
    assert booked == [(1,)]

    async with client_of(shop.world, await secret_of(shop.stage, shop.stage.operator)) as other:
        assert (await other.get(f"/v1/authorizations/{found['id']}")).status_code == 404
        refused = (await other.post("/x402/settle", json=payment)).json()
    assert (refused["success"], refused["errorReason"]) == (False, "invalid_exact_evm_nonce_already_used")


async def test_stranger_who_presents_it_first_has_paid_us_as_well(shop: Till) -> None:
    ours, theirs, unasked = shop.payment(10_000), shop.payment(20_000), shop.payment(30_000)
    lane = await shop.lane()
    await shop.ask("settle", ours)
    await lane.run_once()  # its bytes are out
    await shop.ask("settle", theirs)
    hashes = [await shop.stranger(each) for each in (ours, theirs, unasked)]
    assert (await shop.ask("settle", unasked))["errorReason"] == "settlement_pending"

    await shop.stage.follow()
    await shop.work(lane)

    answers = [await shop.ask("settle", each) for each in (ours, theirs, unasked)]
    assert [each["success"] for each in answers] == [True] * 3
    assert await shop.received() == [10_000, 20_000, 30_000]
    assert [each["transaction"] for each in answers[1:]] == hashes[1:], "ours was never sent"
    assert await shop.books() == {"available": 60_000}


async def test_orphaned_payment_is_pending_again_and_comes_again(shop: Till) -> None:
    payment = shop.payment()
    await shop.ask("settle", payment)
    lane = await shop.lane()
    await lane.run_once()
    await shop.stage.follow(1)
    while await lane.run_once():
        pass
    paid = await shop.ask("settle", payment)
    assert paid["success"] is True, "a block has it"

    await shop.stage.node.dev.reorg(1, drop=[paid["transaction"]])
    await shop.stage.follow(1)
    await lane.run_once()
    assert (await shop.ask("settle", payment))["errorReason"] == "settlement_pending"
    await shop.work(lane)

    assert (await shop.ask("settle", payment))["success"] is True
    assert await shop.received() == [10_000]
    told = await shop.stage.rows("SELECT type FROM outbox WHERE type LIKE 'authorization.%%'")
    assert told == [("authorization.settled",)]


async def test_node_that_denies_a_payment_makes_none_fail_that_came(shop: Till) -> None:
    def denies(method: str, params: list[Any], result: Any) -> Any:
        asks_nonce = method == "eth_call" and params[0]["data"].startswith("0x" + STATE.hex())
        return "0x" + "0" * 64 if asks_nonce else result

    payment = shop.payment()
    await shop.ask("settle", payment)
    await shop.stranger(payment)
    async with lying_node(shop.stage.node.url) as node:
        node.twist = denies
        lane = await shop.lane(url=node.url)
        await shop.work(lane)
        assert await shop.stored() == [("pending", None)]
        shop.stage.clock.advance(timedelta(seconds=HOUR))
        await shop.work(lane)

    assert await shop.stored() == [("settled", None)], "its deposit's own receipt says so"
    assert (await shop.ask("settle", payment))["success"] is True


async def test_several_are_on_their_way_at_once_but_not_more_than_their_payer_has(shop: Till) -> None:
    poor = shop.stage.node.accounts[9]
    await shop.stage.issuer("mint(address,uint256)", poor.address, 15_000)
    many = [shop.payment(amount) for amount in (1_000, 2_000, 3_000)]
    for _ in range(2):
        said = shop.authorization(10_000, **{"from": poor.address})
        many.append(request(said, shop.signed(said, by=9), shop.requirements(10_000)))
    many[0] = in_version_1(many[0])
    for each in many:
        assert (await shop.ask("verify", each))["isValid"] is True
        await shop.ask("settle", each)
        shop.stage.clock.advance(timedelta(milliseconds=1))
    lane = await shop.lane()
    await lane.run_once()

    pending = [await shop.ask("settle", each) for each in many]
    assert {each["errorReason"] for each in pending} == {"settlement_pending"}
    assert [bool(each["transaction"]) for each in pending] == [True, True, True, True, False]
    assert "other payments are on their way" in pending[4]["errorMessage"]
    await shop.stage.follow(1)
    while await lane.run_once():
        pass
    paid = [await shop.ask("settle", each) for each in many]
    assert [each["success"] for each in paid] == [True, True, True, True, False]
    assert [each["transaction"] for each in paid[:4]] == [each["transaction"] for each in pending[:4]]
    assert await shop.received() == [1_000, 2_000, 3_000, 10_000], "in one block, in the order of nonces"
    await shop.work(lane)


async def test_what_can_never_pay_fails_at_a_final_block_though_its_payer_paid_the_same_by_hand(
    shop: Till,
) -> None:
    """One runs out of time unsent, as its token is paused; one's nonce is spent otherwise."""
    late, spent = shop.payment(10_000), shop.payment(20_000)
    for each in (late, spent):
        await shop.ask("settle", each)
    elsewhere = shop.authorization(5, nonce=spent["paymentPayload"]["payload"]["authorization"]["nonce"],
                                   to=shop.stage.node.accounts[6].address)  # fmt: skip
    for amount in (10_000, 20_000):
        await shop.by_hand(amount)
    await shop.stranger(request(elsewhere, shop.signed(elsewhere), shop.requirements()))
    await shop.stage.issuer("pause()")
    await shop.stage.follow()
    lane = await shop.lane()
    while await lane.run_once():
        pass
    assert await shop.stored() == [("pending", None), ("pending", None)], "no final block says so yet"
    shop.stage.clock.advance(timedelta(seconds=HOUR))
    await shop.work(lane)

    assert await shop.stored() == [("failed", "expired"), ("failed", "nonce_used")]
    reasons = [(await shop.ask("settle", each))["errorReason"] for each in (late, spent)]
    assert reasons == [
        "invalid_exact_evm_payload_authorization_valid_before", "invalid_exact_evm_nonce_already_used",
    ]  # fmt: skip
    told = await shop.stage.rows("SELECT type FROM outbox WHERE type LIKE 'authorization.%%'")
    assert told == [("authorization.failed",)] * 2
    assert await shop.received() == [10_000, 20_000]
    deposits = "SELECT amount FROM deposits WHERE kind = 'payment' ORDER BY amount"
    assert await shop.stage.rows(deposits) == [(10_000,), (20_000,)], "what came by hand is there as any"
    assert await shop.stage.rows(
        "SELECT count(*) FROM slots WHERE wallet = (SELECT address FROM wallets WHERE name = 'x402')"
    ) == [(0,)]
    await shop.stage.issuer("unpause()")


async def test_payment_that_is_not_as_it_must_be_is_refused_by_name_and_nothing_is_written(
    shop: Till,
) -> None:
    good = shop.authorization()
    other = shop.stage.node.accounts[6].address
    now = int(shop.stage.clock.now().timestamp())

    def signed(required: dict[str, Any] | None = None, by: int = CUSTOMER, **changes: str) -> dict[str, Any]:
        said = good | changes
        return request(said, shop.signed(said, by), required or shop.requirements())

    cases = {
        "pay_to_not_yours": signed(shop.requirements(payTo=other), to=other),
        "invalid_exact_evm_payload_recipient_mismatch": signed(to=other),
        "invalid_exact_evm_payload_authorization_value_mismatch": signed(value="9999"),
        "invalid_exact_evm_payload_signature": signed(by=9),
        "invalid_exact_evm_payload_authorization_valid_before": signed(validBefore=str(now + 5)),
        "invalid_exact_evm_payload_authorization_valid_after": signed(validAfter=str(now + 60)),
        "invalid_exact_evm_insufficient_balance": signed(shop.requirements(10**15), value=str(10**15)),
        "invalid_exact_evm_eip3009_not_supported": signed(shop.requirements(asset=other)),
        "invalid_exact_evm_token_name_mismatch": signed(
            shop.requirements(extra={"name": "USDC", "version": "1"})
        ),
        "invalid_exact_evm_token_version_mismatch": signed(
            shop.requirements(extra={"name": DOMAIN.name, "version": "2"})
        ),
        "missing_eip712_domain": signed(shop.requirements(extra={})),
        "invalid_network": signed(shop.requirements(network="eip155:1")),
        "unsupported_scheme": signed(shop.requirements(scheme="upto")),
        "smart_wallet_signature_unsupported": request(good, "0x" + "ab" * 96, shop.requirements()),
        "invalid_payload": request(good | {"nonce": "0x12"}, shop.signed(good), shop.requirements()),
    }
    said = {}
    for reason, asked in cases.items():
        verified, settled = await shop.ask("verify", asked), await shop.ask("settle", asked)
        assert (verified["isValid"], settled["success"]) == (False, False), reason
        said[reason] = (verified["invalidReason"], settled["errorReason"])

    assert said == {reason: (reason, reason) for reason in cases}
    assert await shop.stored() == []

    named = shop.payment(), shop.payment()
    for each in named:
        each["paymentPayload"]["extensions"] = {"payment-identifier": {"info": {"id": "order-0000000000001"}}}
    for _ in range(2):
        assert (await shop.ask("settle", named[0]))["errorReason"] == "settlement_pending"
    answer = await shop.client.post("/x402/settle", json=named[1])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "payment_identifier_reused")
    assert await shop.stored() == [("pending", None)]


async def test_gas_of_a_day_is_bounded_and_says_so_before_anything_is_written(
    db_as: OpenAs, tmp_path: Path
) -> None:
    async with till(db_as, tmp_path, per_day=150_000 * 1_000 * 10**9) as shop:
        first, second = shop.payment(), shop.payment()
        await shop.ask("settle", first)
        await shop.work()

        assert (await shop.ask("settle", first))["success"] is True
        assert (await shop.ask("settle", second))["errorReason"] == "gas_budget_spent"
        assert await shop.stored() == [("settled", None)]


@pytest.mark.parametrize("name", long_after(1, ["presenter.after_reserve", "presenter.after_outcome"]))
async def test_lane_that_dies_presents_it_once_after_it_returns(shop: Till, name: str) -> None:
    payment = shop.payment()
    await shop.ask("settle", payment)
    lane = await shop.lane(Crashing(name))
    with pytest.raises(Crash):
        await shop.work(lane)
    await shop.work()

    assert (await shop.ask("settle", payment))["success"] is True
    assert await shop.received() == [10_000]
    assert await shop.stored() == [("settled", None)]
