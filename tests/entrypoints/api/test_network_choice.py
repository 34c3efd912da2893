"""A payout that leaves the network open, over HTTP: one is chosen once, and the reason stays with it."""

from __future__ import annotations

import asyncio
from contextvars import Context
from itertools import count
from typing import Any

import httpx

from bascule.entrypoints.explaining import explain
from bascule.services.outbox import Outbox
from bascule.services.payouts import PayoutRequest, Payouts
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import addresses, ledger
from bascule.storage.database import Connection
from tests.entrypoints.api.conftest import FLOAT, LIMIT
from tests.entrypoints.api.test_payouts import PAYEE, ask
from tests.support.api import LOCAL, SECOND, VAULT, Shop
from tests.support.money_out import payee
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


async def test_lines_that_leave_the_network_open_go_together_where_their_sums_can_be_paid(
    shop: Shop, treasury: str
) -> None:
    await open_lane(shop, LOCAL)
    await fund_second(shop)
    await open_lane(shop, SECOND)
    open_ = {"amount": "400.00", "currency": "usdc", "network": "auto"}
    items = [open_ | {"to": payee(1)}, open_ | {"to": payee(2)}]
    named = open_ | {"to": payee(3), "network": "eip155:31338"}

    async def dry(client: httpx.AsyncClient, *lines: dict[str, str]) -> dict[str, Any]:
        body = {"items": list(lines), "dry_run": True}
        answer = await client.post(
            "/v1/payout_batches", json=body, headers={"Idempotency-Key": f"dry-{len(lines)}"}
        )
        return dict(answer.json())

    async with shop.client(treasury) as client:
        beside = await dry(client, items[0], named)
        beyond = await dry(client, *items, open_ | {"to": payee(4)})
        made = await client.post(
            "/v1/payout_batches", json={"items": items}, headers={"Idempotency-Key": "file"}
        )
        listed = (await client.get(f"/v1/payout_batches/{made.json()['id']}/items")).json()["data"]

    assert (beside["status"], beside["network"]) == ("requires_action", "eip155:31338")
    assert [each["code"] for each in beyond["errors"]] == ["network_unavailable"] * 3
    assert (made.status_code, made.json()["network"]) == (200, "eip155:31337")
    assert [each["network_decision"]["by"] for each in listed] == ["speed", "speed"]


async def test_line_that_leaves_the_network_open_is_a_duplicate_of_what_another_network_paid(
    shop: Shop, treasury: str
) -> None:
    await open_lane(shop, LOCAL)
    await fund_second(shop)
    rent = {"amount": "200.00", "currency": "usdc", "network": "auto", "to": payee(1)}
    async with shop.client(treasury) as client:

        async def hand_in(*lines: dict[str, str]) -> list[str]:
            body = {"items": list(lines), "mode": "best_effort"}
            key = {"Idempotency-Key": f"file-{next(numbers)}"}
            answer = (await client.post("/v1/payout_batches", json=body, headers=key)).json()
            return [each["code"] for each in answer["errors"]] + [str(answer["network"])]

        numbers = count()
        first = await hand_in(rent)
        await open_lane(shop, SECOND)
        await shop.run("UPDATE lanes SET state = 'retired' WHERE chain_id = %s", LOCAL)
        corrected = await hand_in(rent, rent | {"to": payee(2)})
        meant = await hand_in(rent | {"client_reference_id": "rent-again"})

    assert first == ["eip155:31337"]
    assert corrected == ["duplicate_payout", "eip155:31338"], "only the line that is new is paid there"
    assert meant == ["eip155:31338"], "a reference says that both are meant"


async def test_a_day_is_counted_for_each_network_though_the_currency_is_one(
    shop: Shop, treasury: str
) -> None:
    """An asset is a contract on a chain, and its limits are its own, also where the network is left open."""
    await open_lane(shop, LOCAL)
    await fund_second(shop)
    limits = {"approvals": [{"required": 2}], "max_per_day": "100.00"}
    async with shop.client(treasury) as client:
        for token in ("local", "second"):
            await client.post("/v1/policies", json=limits | {"token": shop.tokens[token].id})
        first = await ask(client, "k1", network="auto")
        over = await ask(client, "k2", network="auto", amount="0.01")
        elsewhere = await ask(client, "k3", network="eip155:31338")
        over_there = await ask(client, "k4", network="eip155:31338", amount="0.01")

    assert [each.status_code for each in (first, elsewhere)] == [200, 200]
    assert [each.json()["error"]["code"] for each in (over, over_there)] == ["limit_exceeded"] * 2


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


async def test_choice_waits_after_a_restore_for_networks_that_paid_and_for_no_other(
    shop: Shop, treasury: str
) -> None:
    """The second network is listed, and nobody ever read or paid there: it has nothing to be waited for."""
    await open_lane(shop, LOCAL)
    restored = "UPDATE address_epochs SET known = epoch - 1, checked_at = {}"
    async with shop.client(treasury) as client:
        before = await shop.rows()
        await shop.run(restored.format("now()"))
        unsettled = await ask(client, network="auto", amount="1.00")
        assert (unsettled.status_code, unsettled.json()["error"]["code"]) == (409, "restore_unsettled")
        assert (await shop.rows())["payouts"] == before["payouts"]

        await shop.run(restored.format("'2000-01-01'"))
        settled = await ask(client, "k2", network="auto", amount="1.00")
        assert (settled.status_code, settled.json()["network"]) == (200, "eip155:31337")

        await open_lane(shop, SECOND)  # where a batch may have paid it
        paid_there = await ask(client, "k3", network="auto", amount="1.00")
        assert (paid_there.status_code, paid_there.json()["error"]["code"]) == (409, "restore_unsettled")
