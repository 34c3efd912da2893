"""Balance transactions: what the journal did to a balance, as rows that may be summed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.entrypoints.api.conftest import FLOAT
from tests.support.api import LOCAL, Shop

PATH = "/v1/balance_transactions"
MOVED = """
SELECT ledger.post(%s, %s, %s, NULL, NULL, to_timestamp(1000),
    ARRAY[ledger.account_for('custody:vault', %s), ledger.account_for('available:' || %s, %s)],
    ARRAY[0, 0]::smallint[], ARRAY[%s, -%s]::numeric[])
"""


@pytest.fixture
async def moved(shop: Shop, treasury: str) -> list[int]:
    """What moved the operator's balance, in the order of booking; its opening came first."""
    amounts = [7, -5_000_001, 3_000_000]
    sources = [("deposit", "dep_7"), ("payout", "po_5"), ("opening", "opn_2")]
    token = shop.tokens["local"].id
    for amount, (kind, source) in zip(amounts, sources, strict=True):
        await shop.run(MOVED, kind, source, kind, token, shop.operator, token, amount, amount)
    return [FLOAT, *amounts]


async def read(client: httpx.AsyncClient, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"{PATH}{query}")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_what_is_booked_is_the_sum_of_the_balance_transactions(
    shop: Shop, treasury: str, moved: list[int]
) -> None:
    async with shop.client(treasury) as client:
        rows = (await read(client))["data"]
        balance = (await client.get("/v1/balance")).json()
        [free] = [each for each in balance["available"] if each["network"] == f"eip155:{LOCAL}"]

    assert [int(row["net_atomic"]) for row in rows] == moved[::-1]
    assert [row["net"] for row in rows] == ["3.000000", "-5.000001", "0.000007", "1000.000000"]
    assert [row["type"] for row in rows] == ["opening", "payout", "payment", "opening"]
    assert sum(int(row["net_atomic"]) for row in rows) == int(free["amount_atomic"])


async def test_balance_transactions_are_paged_by_ids_that_say_nothing_of_others(
    shop: Shop, treasury: str, moved: list[int]
) -> None:
    async with shop.client(treasury) as client:
        ids = [row["id"] for row in (await read(client))["data"]]
        first = await read(client, "?limit=3")
        rest = await read(client, f"?limit=3&starting_after={first['data'][-1]['id']}")
        back = await read(client, f"?limit=2&ending_before={ids[3]}")
        alone = [(await client.get(f"{PATH}/{id}")).json()["id"] for id in ids]

    assert (len(first["data"]), first["has_more"]) == (3, True)
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[3:], False)
    assert ([row["id"] for row in back["data"]], back["has_more"]) == (ids[1:3], True)
    assert alone == ids
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?type=payment", [7]),
        ("?source=po_5", [-5_000_001]),
        ("?currency=eurc", []),
        (f"?network=eip155:{LOCAL}&type=payout", [-5_000_001]),
        ("?network=second", []),
        ("?created[gt]=253402300799", []),
        ("?created[lt]=1000", []),
    ],
)
async def test_balance_transactions_are_narrowed(
    shop: Shop, treasury: str, moved: list[int], query: str, found: list[int]
) -> None:
    async with shop.client(treasury) as client:
        rows = (await read(client, query))["data"]

    assert [int(row["net_atomic"]) for row in rows] == found


async def test_another_accounts_balance_transactions_do_not_exist(
    shop: Shop, treasury: str, moved: list[int], client: httpx.AsyncClient
) -> None:
    async with shop.client(treasury) as theirs:
        [id, *_] = [row["id"] for row in (await read(theirs))["data"]]

    assert (await read(client))["data"] == []
    assert (await client.get(f"{PATH}/{id}")).status_code == 404
    assert (await client.get(f"{PATH}?starting_after={id}")).json()["error"]["param"] == "starting_after"
    assert (await client.get(f"{PATH}/txn_1")).status_code == 404
    both = await client.get(f"{PATH}?starting_after={id}&ending_before={id}")
    assert both.json()["error"]["code"] == "parameter_invalid"
