"""Stories of money in a token that is accepted only after the money came."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.domain.chain import parse_address
from bascule.domain.errors import Conflict
from bascule.entrypoints.accepting import accept
from bascule.services.choices import Choices
from bascule.services.seams import SystemEntropy
from bascule.services.suspending import Suspending
from bascule.services.token_resuming import resume
from bascule.storage.tokens import Token
from tests.support.cases import long_after
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, OpenAs, bridge

SUSPENSE = {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def unknown_dollar(b: Bridge) -> str:
    """A plain token that nobody here accepts yet; payer, treasury and collector hold some."""
    contract = await deploy_dollar(b.node, b.account(0))
    for number in (1, 3, 5):
        data = calldata("mint(address,uint256)", [b.account(number).address, FUNDS])
        await b.node.send(b.account(0), to=contract, data=data)
    await b.mine(5)
    return contract


async def accepted(b: Bridge, contract: str) -> Token:
    """As `bascule tokens accept`; the story's books are this token's from now on."""
    b.token = await accept(
        b.owner, b.rpc(), b.network, parse_address(contract), "usdt", clock=b.clock, entropy=SystemEntropy()
    )
    return b.token


async def only(b: Bridge) -> dict[str, Any]:
    [deposit] = await b.deposits()
    return deposit


async def forwarders(b: Bridge) -> dict[str, int]:
    """The books of what came through deposit addresses, without the first balances of our own."""
    return {k: v for k, v in (await b.booked()).items() if k in ("custody:forwarders", "suspense:merchant")}


async def test_money_that_was_final_before_its_token_was_accepted_is_booked_once_with_the_next_final_block(
    b: Bridge,
) -> None:
    contract, watcher, intent = await unknown_dollar(b), await b.started(), await b.intent("10.00")
    await b.pay(intent, "10.00", token=contract)
    await b.finalize(watcher)
    assert (await only(b))["unapplied_reason"] == "unsupported_token"
    before = len(await b.events())

    token = await accepted(b, contract)
    assert await b.booked() == {}
    await b.finalize(watcher)

    deposit = await only(b)
    assert (deposit["token"], deposit["currency"], deposit["amount"]) == (token.id, "usdt", "10.000000")
    assert (deposit["status"], deposit["unapplied_reason"]) == ("finalized", "wrong_token")
    assert deposit["next_steps"] == ["apply", "accept", "refund"]
    assert await forwarders(b) == SUSPENSE
    assert [e for e in (await b.events())[before:] if e.startswith("deposit.")] == ["deposit.unapplied"]

    await accepted(b, contract)
    await b.finalize(watcher)
    assert await forwarders(b) == SUSPENSE
    assert [e for e in (await b.events())[before:] if e.startswith("deposit.")] == ["deposit.unapplied"]
    async with b.api.transaction() as conn:
        await Choices(b.clock, b.outbox).accept(conn, deposit["id"], account_id=b.merchant, livemode=False)
    booked = await b.booked()
    assert (booked["custody:forwarders"], booked["available:merchant"]) == (10_000_000, -10_000_000)
    assert "suspense:merchant" not in booked
    await b.require_chain_and_rows_agree()


async def test_a_log_without_a_move_is_not_booked_when_its_token_is_accepted_later(b: Bridge) -> None:
    contract = await b.node.deploy(b.account(0), "quirks/LogsWithoutMoving", [], [])
    await b.node.send(
        b.account(0), to=contract, data=calldata("mint(address,uint256)", [b.account(1).address, FUNDS])
    )
    watcher, intent = await b.started(), await b.intent("10.00")
    await b.pay(intent, "10.00", token=contract)
    await b.finalize(watcher)

    await accepted(b, contract)
    await b.finalize(watcher)
    await b.finalize(watcher)

    assert (await b.events()).count("token.suspended") == 1
    assert await forwarders(b) == {}
    assert (await only(b))["unapplied_reason"] == "unsupported_token"


async def test_money_on_its_way_when_its_token_is_accepted_is_booked_when_it_is_final(b: Bridge) -> None:
    contract, watcher, intent = await unknown_dollar(b), await b.started(), await b.intent("10.00")
    await b.finalize(watcher)
    await b.pay(intent, "10.00", token=contract)
    await b.settle_down(watcher)
    assert (await only(b))["unapplied_reason"] == "unsupported_token"

    await accepted(b, contract)
    await b.finalize(watcher)

    deposit = await only(b)
    assert (deposit["status"], deposit["unapplied_reason"]) == ("finalized", "wrong_token")
    assert await forwarders(b) == SUSPENSE
    told = [event for event in await b.events() if event.startswith("deposit.")]
    assert told == ["deposit.detected", "deposit.unapplied", "deposit.finalized", "deposit.unapplied"]


@pytest.mark.parametrize("final", long_after(1, [True, False]))
async def test_money_waits_while_the_token_that_is_accepted_now_is_suspended(b: Bridge, final: bool) -> None:
    contract, watcher, intent = await unknown_dollar(b), await b.started(), await b.intent("10.00")
    await b.finalize(watcher)
    await b.pay(intent, "10.00", token=contract)
    await (b.finalize(watcher) if final else b.settle_down(watcher))

    await accepted(b, contract)
    async with b.db.transaction() as conn:
        await Suspending(b.clock, b.outbox).suspend(conn, b.token, "upgraded", {})
    await b.finalize(watcher)
    assert (await only(b))["status"] == ("finalized" if final else "detected")
    assert await forwarders(b) == {}
    choices, deposit_id = Choices(b.clock, b.outbox), (await only(b))["id"]
    with pytest.raises(Conflict, match="accepts the deposit's token" if final else "is suspended"):
        async with b.api.transaction() as conn:
            await choices.accept(conn, deposit_id, account_id=b.merchant, livemode=False)

    async with b.owner.transaction() as conn:
        await resume(conn, b.token.id, reason="looked at it", clock=b.clock, outbox=b.outbox)
    await b.finalize(watcher)
    assert ((await only(b))["status"], (await only(b))["unapplied_reason"]) == ("finalized", "wrong_token")
    assert await forwarders(b) == SUSPENSE


async def test_money_that_is_orphaned_around_the_acceptance_is_booked_when_it_returns_and_only_then(
    b: Bridge,
) -> None:
    contract, watcher, intent = await unknown_dollar(b), await b.started(), await b.intent("10.00")
    await b.finalize(watcher)
    payment = await b.pay(intent, "10.00", token=contract)
    await b.settle_down(watcher)
    await b.node.dev.reorg(1, drop=[payment])
    await b.mine()
    await b.settle_down(watcher)
    assert (await only(b))["status"] == "orphaned"

    await accepted(b, contract)
    await b.finalize(watcher)
    assert ((await only(b))["status"], (await only(b))["unapplied_reason"]) == ("orphaned", "orphaned")
    assert await forwarders(b) == {}

    await b.pay(intent, "10.00", token=contract)
    await b.finalize(watcher)
    assert await forwarders(b) == SUSPENSE
    await b.require_chain_and_rows_agree()


async def test_money_without_an_intent_at_a_treasury_address_is_counted_in_its_first_balance_alone(
    b: Bridge,
) -> None:
    """Final before the acceptance: the balance that the address is opened with holds it already."""
    contract, watcher = await unknown_dollar(b), await b.started()
    await b.finalize(watcher)
    await b.send(b.account(4).address, "7.00", token=contract)
    await b.finalize(watcher)
    assert (await only(b))["unapplied_reason"] == "unsupported_token"

    await accepted(b, contract)
    await b.finalize(watcher)
    await b.send(b.account(4).address, "2.00", token=contract)
    await b.finalize(watcher)

    reasons = [deposit["unapplied_reason"] for deposit in await b.deposits()]
    assert reasons == ["unsupported_token", "unsolicited"]
    booked = await b.booked()
    assert (booked["custody:vault"], booked["suspense:operator"]) == (9_000_000, -2_000_000)
    assert booked["custody:collector"] == FUNDS


@pytest.mark.parametrize("flushed", long_after(1, ["after", "before"]))
async def test_money_that_was_flushed_around_the_acceptance_is_counted_once(b: Bridge, flushed: str) -> None:
    """Flushed before, it is in what the collector is opened with; after, it is a deposit that moved on."""
    contract, watcher = await unknown_dollar(b), await b.started()
    ours = b.account(2).address
    async with b.owner.transaction() as conn:
        await conn.execute(
            "INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)"
            " VALUES (%s, %s, %s, %s, 7, 0)",
            [b.network.chain_id, parse_address(ours), b.merchant, b.network.deposit_factory],
        )
    await b.send(ours, "10.00", token=contract)
    await b.mine()
    if flushed == "before":
        await b.send(b.account(5).address, "10.00", payer=2, token=contract)
    await b.finalize(watcher)
    assert (await only(b))["unapplied_reason"] == "unsupported_token"

    await accepted(b, contract)
    if flushed == "after":
        await b.send(b.account(5).address, "10.00", payer=2, token=contract)
    await b.finalize(watcher)
    await b.finalize(watcher)

    booked = await b.booked()
    assert "custody:forwarders" not in booked
    assert booked["custody:collector"] == FUNDS + 10_000_000
    assert booked.get("suspense:merchant", 0) == (-10_000_000 if flushed == "after" else 0)
    [(block,)] = await b.rows("SELECT flushed_block FROM deposits")
    assert block is not None
