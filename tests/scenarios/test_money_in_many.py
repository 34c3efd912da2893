"""Stories of many payments at once: split, in one transaction, from contracts, of tokens of every size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bascule.domain.chain import checksum, parse_address
from bascule.domain.hashing import keccak
from bascule.services import matcher
from bascule.storage import ledger, tokens
from bascule.storage.database import Connection
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.one_transaction import Log, creation_address, in_one, transfers

TRANSFER = keccak(b"Transfer(address,address,uint256)")


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def from_a_contract(b: Bridge, payments: list[tuple[str, int]]) -> str:
    """One transaction of a stranger in which a contract, funded before, pays several; its hash."""
    source = await creation_address(b.node, b.account(7).address)
    await b.send(source, "100.00")
    await b.mine()
    tx_hash = await b.node.send(b.account(7), data=in_one(transfers(checksum(b.token.contract), payments)))
    await b.mine()
    assert (await b.node.rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    return tx_hash


async def test_a_payment_split_in_three_succeeds_with_the_last_part(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    statuses = []
    for amount, payer in (("3.33", 1), ("3.33", 2), ("3.34", 3)):
        await b.pay(intent, amount, payer)
        await b.settle_down(watcher)
        statuses.append((await b.shown(intent))["status"])
    await b.finalize(watcher)

    assert statuses == ["requires_action", "requires_action", "processing"]
    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_confirmed"], shown["flags"]) == ("succeeded", "10.000000", [])
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_two_transfers_in_one_transaction_to_one_intent_are_two_deposits(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    tx_hash = await from_a_contract(b, [(deposit_address(intent), 5_000_000)] * 2)
    await b.finalize(watcher)

    found = await b.deposits("finalized")
    assert [(d["tx_hash"], d["amount"], d["log_index"]) for d in found] == [
        (tx_hash, "5.000000", 0),
        (tx_hash, "5.000000", 1),
    ]
    assert (await b.shown(intent))["status"] == "succeeded"

    await b.node.dev.reorg(1)
    await b.settle_down(watcher)
    assert len(await b.deposits()) == 2


async def test_one_transaction_that_pays_two_intents_pays_both(b: Bridge) -> None:
    """As an exchange pays out: its sender is a contract, and `to` of the transaction is nobody of ours."""
    watcher = await b.started()
    intents = [await b.intent("4.00"), await b.intent("6.00")]
    addresses = [deposit_address(intent) for intent in intents]
    await from_a_contract(b, [(addresses[0], 4_000_000), (addresses[1], 6_000_000)])
    await b.settle_down(watcher)
    ids = {d["id"] for d in await b.deposits()}
    await b.node.dev.reorg(1)  # the twins keep their identities when mined anew
    await b.finalize(watcher)

    assert {d["id"] for d in await b.deposits("finalized")} == ids
    assert [(await b.shown(intent))["status"] for intent in intents] == ["succeeded", "succeeded"]
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_every_intent_is_held_before_the_first_deposit_is_booked(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who books holds balances; would he wait for an intent then, its holder might wait for the balances."""
    watcher = await b.started()
    for _ in range(3):
        await b.pay(await b.intent("4.00"), "4.00")
    await b.settle_down(watcher)
    monkeypatch.setattr(matcher, "AT_ONCE", 1)
    book, free = ledger.post_deposits, []

    async def look_first(conn: Connection, deposit_ids: Sequence[str]) -> None:
        async with b.owner.read() as other:
            found = await other.execute("SELECT id FROM payment_intents FOR UPDATE SKIP LOCKED")
            free.append((len(deposit_ids), await found.fetchall()))
        await book(conn, deposit_ids)

    monkeypatch.setattr(ledger, "post_deposits", look_first)
    await b.finalize(watcher)

    assert free == [(1, [])] * 3
    assert await b.booked() == {"custody:forwarders": 12_000_000, "available:merchant": -12_000_000}


async def test_transfers_of_other_forms_are_counted_and_never_misread(b: Bridge) -> None:
    """An accepted token that emits as ERC-721 does, without indexed addresses, and with dirty ones."""
    watcher = await b.started()
    emitter = await creation_address(b.node, b.account(7).address)
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, replace(b.token, id="tok_odd", contract=parse_address(emitter)))
    intent = await b.intent("10.00")
    src, dst = (bytes.fromhex(who[2:]).rjust(32, b"\0") for who in (emitter, deposit_address(intent)))
    word = (10_000_000).to_bytes(32, "big")
    dirty = b"\x01" + dst[1:]
    await b.node.send(
        b.account(7),
        data=in_one(
            [
                Log([TRANSFER, src, dst, word], b""),  # ERC-721: the fourth topic is a token's number
                Log([TRANSFER], src + dst + word),  # nothing indexed
                Log([TRANSFER, src], dst + word),
                Log([TRANSFER, src, dst], word + word),  # more data than an amount
                Log([TRANSFER, src, dst], word[1:]),
                Log([TRANSFER, src, dirty], word),
                Log([TRANSFER, src, dst], bytes(32)),
            ]
        ),
    )
    await b.mine()
    await b.settle_down(watcher)

    assert await b.stored() == []
    assert await b.deposits() == []
    ignored = {name: count for name, count in watcher.counters.items() if name.startswith("logs_ignored")}
    expected = {"logs_ignored_not_erc20": 5, "logs_ignored_malformed": 1, "logs_ignored_zero_value": 1}
    assert expected.items() <= ignored.items()
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_the_largest_amount_there_is_is_kept_to_the_unit(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    huge = 2**256 - 1
    other = await deploy_dollar(b.node, b.account(2))
    mint = calldata("mint(address,uint256)", [deposit_address(intent), huge])
    await b.node.transact(b.account(2), to=other, data=mint)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert [d["amount_atomic"] for d in await b.deposits("finalized")] == [str(huge), "10000000"]
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_tokens_of_six_and_of_eighteen_decimals_add_up_in_one_intent(b: Bridge) -> None:
    watcher = await b.started()
    other = await deploy_dollar(b.node, b.account(2))
    async with b.owner.transaction() as conn:
        fine = replace(b.token, id="tok_fine", contract=parse_address(other), decimals=18)
        await tokens.publish(conn, fine)
    intent = await b.intent("10.00")
    mint = calldata("mint(address,uint256)", [deposit_address(intent), 6 * 10**18 - 1])
    await b.node.transact(b.account(2), to=other, data=mint)
    await b.pay(intent, "4.00")
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"]) == ("requires_action", ["partially_paid"])
    mint = calldata("mint(address,uint256)", [deposit_address(intent), 1])
    await b.node.transact(b.account(2), to=other, data=mint)
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 4_000_000, "available:merchant": -4_000_000}
    assert await b.rows(
        "SELECT sum(b.posted) FROM ledger.balance b JOIN ledger.account a ON a.id = b.account_id"
        " WHERE a.token_id = 'tok_fine' AND a.code LIKE 'custody:%'"
    ) == [(6 * 10**18,)]
