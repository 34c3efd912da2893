"""One object from all sides: what it is, what proves it, what comes next."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bascule.domain.errors import NotFound
from bascule.entrypoints.explaining import explain
from bascule.services.compliance import Compliance
from bascule.services.seams import SystemEntropy, new_id
from bascule.storage import checkout_sessions
from bascule.storage.checkout_sessions import NewSession
from bascule.storage.database import Database
from tests.support.money_in import Bridge, bridge

OpenAs = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def world(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.fixture
async def ask(world: Bridge, db_as: OpenAs) -> Callable[[str], Awaitable[dict[str, Any] | None]]:
    """Asks as the worker's login, which may read no secrets."""
    db = await db_as("worker")

    async def asked(what: str) -> dict[str, Any] | None:
        async with db.read() as conn:
            return await explain(conn, what)

    return asked


Ask = Callable[[str], Awaitable[dict[str, Any]]]


async def test_intent_says_what_is_missing_and_what_counted(world: Bridge, ask: Ask) -> None:
    watcher = await world.started()
    intent = await world.intent("10.50")
    tx_hash = await world.pay(intent, "4.00")
    await world.settle_down(watcher)

    told = await ask(intent["id"])

    assert told["state"].startswith("requires_action: ")
    assert told["next"] == "the customer sends 6.500000 usdt to one of its addresses"
    [deposit] = told["deposits"]
    assert (deposit["transaction"], deposit["state"], deposit["counts_as"]) == (
        tx_hash,
        "detected",
        "applied",
    )


async def test_deposit_that_counts_for_nothing_says_what_may_be_decided(world: Bridge, ask: Ask) -> None:
    watcher = await world.started()
    intent = await world.intent("10.50")
    await world.cancel(intent)
    await world.pay(intent, "10.50")
    await world.finalize(watcher)
    [deposit] = await world.deposits()

    told = await ask(deposit["id"])

    path = f"POST /v1/deposits/{deposit['id']}"
    assert told["counts_for"] == "nothing (intent_closed)"
    assert told["next"] == f"the merchant decides: {path}/apply or {path}/accept or {path}/refund"


async def test_deposit_says_what_it_counts_for_until_it_is_booked(world: Bridge, ask: Ask) -> None:
    watcher = await world.started()
    intent = await world.intent("10.50")
    tx_hash = await world.pay(intent, "10.50")
    await world.settle_down(watcher)
    [deposit] = await world.deposits()
    assert (await ask(deposit["id"]))["next"] == "the chain makes it final, or a reorg takes it away"
    assert (await ask(intent["id"]))["next"] == "the chain makes the payment final; then it is booked"

    await world.finalize(watcher)

    told = await ask(deposit["id"])
    assert told["next"] == "nothing: it is booked"
    assert told["evidence"]["tx_hash"] == tx_hash
    assert told["counts_for"]["payment_intent"] == intent["id"]
    assert (await ask(intent["id"]))["next"] == "nothing: this is its end"


async def test_checkout_session_says_how_its_payment_stands(world: Bridge, ask: Ask) -> None:
    intent = await world.intent("10.50")
    session = NewSession(
        new_id("cs", world.clock, SystemEntropy()), world.merchant, False, intent["id"],
        "https://m.example/thanks", None, world.clock.now(),
    )  # fmt: skip
    async with world.api.transaction() as conn:
        assert await checkout_sessions.insert(conn, session)
    told = await ask(session.id)
    assert told["state"].startswith("open, as its payment is requires_action: ")
    assert (told["amount"], told["page"]) == ("10.500000 usdt", f"/c/{session.id}")
    assert told["next"] == f"its payment goes on: `bascule explain {intent['id']}`"

    await world.cancel(intent)
    told = await ask(session.id)
    assert told["state"].startswith("expired, as its payment is canceled: ")
    assert (told["page"], told["next"]) == (None, "nothing: no money can complete it any more")
    with pytest.raises(NotFound):
        await ask("cs_nothing")


async def test_transaction_says_what_it_moved_and_whether_that_is_booked(world: Bridge, ask: Ask) -> None:
    watcher = await world.started()
    tx_hash = await world.pay(await world.intent("10.50"), "10.50")
    await world.settle_down(watcher)
    [moved] = (await ask(tx_hash))["transfers"]
    assert (moved["amount_atomic"], moved["canonical"], moved["booked"]) == ("10500000", True, False)

    await world.finalize(watcher)

    told = await ask(tx_hash)
    assert [each["booked"] for each in told["transfers"]] == [True]
    assert list(told["deposits"].values()) == ["finalized"]


async def test_transaction_of_strangers_has_nothing_to_say(world: Bridge, ask: Ask) -> None:
    told = await ask("0x" + "ab" * 32)

    assert (told["transfers"], told["deposits"]) == ([], {})
    assert told["next"] == "nothing: it touches no address of ours"


async def test_words_that_are_no_id_are_not_explained(world: Bridge, ask: Ask) -> None:
    assert await ask("hello") is None
    assert await ask("0x1234") is None
    with pytest.raises(NotFound):
        await ask("pi_00000000000000000000000000")


async def test_held_money_is_not_asked_for_again_and_names_who_decides(world: Bridge, ask: Ask) -> None:
    watcher = await world.started()
    async with world.api.transaction() as conn:
        text = f"address,reference\n{world.account(1).address},SDN 12345\n"
        await Compliance(world.clock, world.outbox).import_list(conn, "ofac", text, actor="key_c")
    intent = await world.intent("10.50")
    await world.pay(intent, "10.50")
    await world.finalize(watcher)
    [(screening,)] = await world.rows("SELECT id FROM screenings")
    [deposit] = await world.deposits()

    assert "nobody pays again" in (await ask(intent["id"]))["next"]
    assert (await ask(deposit["id"]))["next"] == f"screening holds it: `bascule explain {screening}`"
    told = await ask(screening)
    assert told["holds"] == f"{deposit['id']}, which is finalized"
    assert told["amount"] == "10.500000 usdt on eip155:31337"
    assert told["listed"].endswith(" by ofac.1: SDN 12345")
    assert screening in told["next"]

    async with world.api.transaction() as conn:
        compliance = Compliance(world.clock, world.outbox)
        await compliance.reject(conn, screening, reason="case 7", actor="key_c")
    told = await ask(screening)
    assert (told["decided_by"], told["reason"], told["audit"]) == ("key_c", "case 7", ["screening.reject"])
    assert told["next"].startswith("Leave the money there")
    with pytest.raises(NotFound):
        await ask("scr_nothing")
