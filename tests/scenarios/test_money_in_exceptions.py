"""Stories of money that fits no intent: what each is called, where it lies, and what it leaves alone."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bascule.domain.chain import Address, ChainId, checksum, parse_address
from bascule.services.intent_request import Choice
from bascule.services.intents import IntentRequest
from bascule.storage import networks, tokens
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, OpenAs, bridge, deposit_address
from tests.support.source import ROOT

ELSEWHERE = ChainId(424_242)


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def floors(b: Bridge, *, dust: int = 0, minimum: int = 0) -> None:
    async with b.owner.transaction() as conn:
        assert await tokens.set_floors(conn, b.token.id, dust, minimum) is not None


async def intent_elsewhere(b: Bridge, *, livemode: bool = False) -> dict[str, Any]:
    """An intent that is paid on another network, where the same factory stands."""
    away = replace(b.network, chain_id=ELSEWHERE, name="elsewhere", livemode=livemode)
    async with b.owner.transaction() as conn:
        await networks.publish(conn, away)
        await tokens.publish(conn, replace(b.token, id="tok_away", chain_id=ELSEWHERE))
    request = IntentRequest(amount="10.00", currency="usdt", accepted=[Choice("elsewhere", None)])
    async with b.api.transaction() as conn:
        return await b.use_cases.create(conn, account_id=b.merchant, livemode=livemode, request=request)


async def other_dollar(b: Bridge) -> str:
    """Another contract that calls itself as ours does; the payer has a million of it."""
    contract = await deploy_dollar(b.node, b.account(2))
    mint = calldata("mint(address,uint256)", [b.account(1).address, FUNDS])
    await b.node.transact(b.account(2), to=contract, data=mint)
    return contract


async def reasons(b: Bridge) -> list[str | None]:
    return [deposit["unapplied_reason"] for deposit in await b.deposits()]


UNTOUCHED = ("requires_action", "0.000000", [])


async def standing(b: Bridge, intent: dict[str, Any]) -> tuple[str, str, list[str]]:
    shown = await b.shown(intent)
    return shown["status"], shown["amount_received"], shown["flags"]


async def test_dust_from_a_look_alike_counts_for_nothing_and_is_counted(b: Bridge) -> None:
    await floors(b, dust=10_000)
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "0.009999", payer=2)
    await b.finalize(watcher)

    assert await reasons(b) == ["dust"]
    assert await standing(b, intent) == UNTOUCHED
    assert watcher.counters["deposits_unapplied_dust"] == 1
    assert await b.booked() == {"custody:forwarders": 9_999, "suspense:merchant": -9_999}


async def test_a_payment_below_the_minimum_waits_and_the_rest_may_be_small(b: Bridge) -> None:
    await floors(b, minimum=1_000_000)
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "0.99")
    await b.pay(intent, "9.50")
    await b.pay(intent, "0.50")
    await b.finalize(watcher)

    assert await reasons(b) == ["below_minimum", None, None]
    assert (await b.shown(intent))["status"] == "succeeded"
    assert watcher.counters["deposits_unapplied_below_minimum"] == 1


async def test_money_on_a_network_the_intent_does_not_take_is_seen_and_kept(b: Bridge) -> None:
    watcher = await b.started()
    intent = await intent_elsewhere(b)

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert await reasons(b) == ["wrong_chain"]
    assert await standing(b, intent) == ("requires_action", "0.000000", ["wrong_chain"])
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}
    page = (ROOT / "docs" / "api" / "unusual-payments.md").read_text(encoding="utf-8")
    [written] = re.findall(r"<!-- shown: wrong network -->\n```json\n(.*?)```", page, re.DOTALL)
    [deposit] = await b.deposits()
    assert {name: deposit[name] for name in json.loads(written)} == json.loads(written)


async def test_an_intent_older_than_the_network_has_its_address_there_too(b: Bridge) -> None:
    await b.started()
    intent = await b.intent("10.00")

    await intent_elsewhere(b)

    rows = await b.rows("SELECT chain_id, address FROM deposit_addresses ORDER BY n, chain_id")
    address = bytes(parse_address(deposit_address(intent)))
    assert rows[:2] == [(b.network.chain_id, address), (ELSEWHERE, address)]
    shown = (await b.shown(intent))["next_action"]["display_deposit_details"]["deposit_addresses"]
    assert list(shown) == [f"eip155:{b.network.chain_id}"]


async def test_a_factory_at_another_address_makes_no_address_of_ours(b: Bridge) -> None:
    away = replace(b.network, chain_id=ELSEWHERE, name="elsewhere", deposit_factory=Address(b"\xfb" * 20))
    async with b.owner.transaction() as conn:
        await networks.publish(conn, away)
    await b.started()

    await b.intent("10.00")

    assert await b.rows("SELECT chain_id FROM deposit_addresses") == [(b.network.chain_id,)]


async def test_test_money_for_a_live_intent_counts_for_nothing(b: Bridge) -> None:
    watcher = await b.started()
    intent = await intent_elsewhere(b, livemode=True)

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert await reasons(b) == ["test_mode"]
    assert await standing(b, intent) == UNTOUCHED
    assert [deposit["livemode"] for deposit in await b.deposits()] == [True]


async def test_bridged_money_of_the_same_name_is_another_asset(b: Bridge) -> None:
    watcher = await b.started()
    request = {"accepted": [Choice(None, b.token.id)]}
    contract = await other_dollar(b)
    async with b.owner.transaction() as conn:
        bridged = replace(b.token, id="tok_bridged", contract=parse_address(contract), name="Bridged Dollar")
        await tokens.publish(conn, bridged)
    intent = await b.intent("10.00", **request)

    await b.pay(intent, "10.00", token=contract)
    await b.pay(intent, "4.00")
    await b.finalize(watcher)

    assert await reasons(b) == ["wrong_token", None]
    assert await standing(b, intent) == ("requires_action", "4.000000", ["partially_paid", "wrong_token"])
    assert await b.booked() == {"custody:forwarders": 4_000_000, "available:merchant": -4_000_000}
    held = await b.rows("SELECT code, posted FROM ledger.balances WHERE token_id = 'tok_bridged' ORDER BY 1")
    assert held == [("custody:forwarders", 10_000_000), ("suspense:acct_merchant", -10_000_000)]


async def test_a_fake_of_the_same_name_is_listed_counted_and_never_booked(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    fake = await other_dollar(b)

    await b.pay(intent, "10.00", token=fake)
    await b.finalize(watcher)

    assert await reasons(b) == ["unsupported_token"]
    assert await standing(b, intent) == UNTOUCHED
    assert watcher.counters["deposits_unapplied_unsupported_token"] == 1
    assert await b.booked() == {}


async def test_money_at_an_address_whose_intent_we_do_not_know_is_kept(b: Bridge) -> None:
    watcher = await b.started()
    lost = Address(b"\x5e" * 20)
    async with b.owner.transaction() as conn:
        await conn.execute(
            "INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)"
            " VALUES (%s, %s, %s, %s, 7, 0)",
            [b.network.chain_id, lost, b.merchant, b.network.deposit_factory],
        )

    await b.send(checksum(lost), "10.00")
    await b.mine()
    await b.finalize(watcher)

    assert await reasons(b) == ["no_intent"]
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}
