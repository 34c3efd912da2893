"""A payout that leaves the network open, over HTTP: one is chosen once, and the reason stays with it."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

from bascule.entrypoints.explaining import explain
from bascule.services.outbox import Outbox
from bascule.services.payouts import PayoutRequest, Payouts
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import addresses, ledger
from bascule.storage.database import Connection
from tests.entrypoints.api.conftest import FLOAT, LIMIT
from tests.entrypoints.api.test_payouts import PAYEE, ask
from tests.support.api import LOCAL, SECOND, VAULT, Shop
from tests.support.money_out_setup import set_policy
from tests.support.waiting import somebody_waits


async def open_lane(shop: Shop, chain_id: int) -> None:
    wallet = bytes([7]) * 20
    await shop.run(
        "INSERT INTO wallets (chain_id, address, name) VALUES (%s, %s, 'vault-0')", chain_id, wallet
    )
    await shop.run(
        "INSERT INTO lanes (chain_id, lane, name, vault, wallet) VALUES (%s, 0, 'vault-0', %s, %s)",
        *(chain_id, VAULT, wallet),
    )


async def fund_second(shop: Shop) -> None:
    """As much there as on the first; its newest final block is an hour behind its head."""
    token, block = shop.tokens["second"], bytes(31) + b"\x09"
    await shop.run(
        "INSERT INTO blocks (chain_id, hash, number, parent, block_time)"
        " VALUES (%s, %s, 5, %s, now() - interval '1 hour')",
        *(SECOND, block, bytes(32)),
    )
    await shop.run(
        "INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)"
        " VALUES (%s, 6, %s, now(), 5, %s)",
        *(SECOND, block, block),
    )
    async with shop.owner.transaction() as conn:
        await addresses.add_own(conn, SECOND, VAULT, "vault")
        await conn.execute(
            "INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)"
            " VALUES ('opn_2', %s, %s, %s, 5, %s, %s)",
            [SECOND, VAULT, token.contract, block, FLOAT],
        )
        await ledger.post_opening(conn, "opn_2")
        await set_policy(conn, shop.operator, token, max_per_payout=LIMIT, max_per_day=2 * LIMIT)


async def test_network_is_chosen_once_and_the_reason_is_kept_and_explained(shop: Shop, treasury: str) -> None:
    await open_lane(shop, LOCAL)
    named = {"network": "auto", "client_reference_id": "rent-1"}
    async with shop.client(treasury) as client:
        alone = (await ask(client, "k0", network="auto", amount="1.00")).json()
        await fund_second(shop)
        await open_lane(shop, SECOND)
        first = (await ask(client, "k1", **named)).json()
        await shop.run("UPDATE lanes SET state = 'retired' WHERE chain_id = %s", LOCAL)
        again = (await ask(client, "k2", **named)).json()
        other = (await ask(client, "k3", network="auto", amount="2.00")).json()
        plain = (await ask(client, "k4", amount="3.00")).json()

    assert (alone["network"], alone["network_decision"]["by"]) == ("eip155:31337", "only_one")
    assert (first["network"], first["network_decision"]["by"]) == ("eip155:31337", "speed")
    assert [each["network"] for each in first["network_decision"]["candidates"]] == [
        "eip155:31337",
        "eip155:31338",
    ]
    assert again == first, "the same identity is the same payout, whatever would be chosen now"
    assert (other["network"], other["network_decision"]["by"]) == ("eip155:31338", "only_one")
    assert plain["network_decision"] is None
    async with shop.owner.read() as conn:
        told = await explain(conn, first["id"])
    assert told is not None
    assert told["network"] == first["network_decision"]


async def test_network_left_open_and_asked_for_at_once_is_one_payout_whatever_each_would_choose(
    shop: Shop, treasury: str
) -> None:
    await open_lane(shop, LOCAL)
    await fund_second(shop)
    clock, entropy = SystemClock(), SystemEntropy()
    desk = Payouts(clock, entropy, Outbox(clock, entropy))
    asked = PayoutRequest("5.00", "usdc", "auto", PAYEE, client_reference_id="rent-1")

    async def ask_for_it(conn: Connection) -> dict[str, Any]:
        return await desk.request(
            conn, account_id=shop.operator, livemode=False, request=asked, idempotency_key="k",
            requested_by="key_test",
        )  # fmt: skip

    async def behind() -> dict[str, Any]:
        async with shop.owner.transaction() as conn:
            return await ask_for_it(conn)

    async def from_the_other_network() -> dict[str, Any]:
        await open_lane(shop, SECOND)
        await shop.run("UPDATE lanes SET state = 'retired' WHERE chain_id = %s", LOCAL)
        return await behind()

    async with shop.owner.transaction() as conn:
        first = await ask_for_it(conn)
        later = asyncio.create_task(from_the_other_network(), context=Context())
        await somebody_waits(conn)

    assert first["network"] == "eip155:31337"
    assert await later == first
    async with shop.owner.transaction() as conn:
        await set_policy(conn, shop.operator, shop.tokens["second"], max_per_payout=1, max_per_day=1)
    assert await behind() == first, "nor is it judged again"


async def test_nothing_is_asked_for_where_no_network_can_pay(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        before = await shop.rows()
        closed = await ask(client, network="auto")
        await open_lane(shop, LOCAL)
        poor = await ask(client, "k2", network="auto", amount="1000.01")
        nameless = await ask(client, "k3", network="auto", currency="eurc")

    codes = [each.json()["error"]["code"] for each in (closed, poor, nameless)]
    assert codes == ["network_unavailable"] * 3
    assert {each.status_code for each in (closed, poor, nameless)} == {400}
    assert (await shop.rows())["payouts"] == before["payouts"]
