"""Strangers' x402 libraries, a seller's and buyers', name us as the facilitator and the money comes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import caip2, checksum
from tests.support import npm
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs
from tests.support.open_for_business import opened, till_of_today
from tests.support.paying_x402 import Till
from tests.support.sandbox import served
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
TEN_CENTS = 100_000


@pytest.fixture
async def shop(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Till]:
    async with till_of_today(db_as, tmp_path) as built:
        yield built
        await built.world.require_even()


@pytest.fixture
async def paid_route(shop: Till, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """What the page's server sells, with us as its facilitator."""
    async with opened(shop) as url:
        monkeypatch.setenv("API", url)
        monkeypatch.setenv("NETWORK", caip2(shop.stage.network.chain_id))
        monkeypatch.setenv("SECRET_KEY", shop.secret)
        monkeypatch.setenv("CUSTOMER_KEY", shop.stage.node.accounts[CUSTOMER].private_key)
        defined = await asyncio.to_thread(snippet, "server")  # it asks us, who are served by this thread
        async with served(defined["app"]) as store:
            yield f"{store}/weather"
        await defined["facilitator"].aclose()  # its connection would outlive the test


def snippet(name: str) -> dict[str, Any]:
    """What the page's snippet defines."""
    page = (ROOT / "docs" / "api" / "x402.md").read_text(encoding="utf-8")
    [code] = re.findall(rf"<!-- snippet {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"{name} snippet", "exec"), defined)
    return defined


async def require_booked(shop: Till, transaction: str) -> None:
    """One payment of ten cents came, by that transaction, and is on the books."""
    for _ in range(300):
        if await shop.stored() == [("settled", None)]:
            break
        await asyncio.sleep(0.1)
    assert await shop.received() == [TEN_CENTS]
    assert await shop.books() == {"available": TEN_CENTS}
    rows = await shop.stage.rows("SELECT tx_hash FROM deposits WHERE kind = 'payment'")
    assert ["0x" + bytes(each).hex() for (each,) in rows] == [transaction]


async def test_the_pages_server_and_client_pay_by_us_and_the_money_is_booked(
    shop: Till, paid_route: str
) -> None:
    network, asset = caip2(shop.stage.network.chain_id), checksum(shop.stage.token.contract)
    body, transaction = await snippet("client")["buy"](paid_route, network, asset)

    assert body == {"weather": "sunny"}
    await require_booked(shop, transaction)


async def test_fetch_from_npm_pays_the_same_route(
    shop: Till, paid_route: str, npm_package: Callable[[str], Path]
) -> None:
    asked = {
        "url": paid_route,
        "key": shop.stage.node.accounts[CUSTOMER].private_key,
        "network": caip2(shop.stage.network.chain_id),
    }
    script = await asyncio.to_thread(npm_package, "x402") / "pay.mjs"
    said = json.loads(await asyncio.to_thread(npm.run, script, json.dumps(asked)))

    assert (said["status"], said["body"]) == (200, {"weather": "sunny"})
    assert said["paid"]["success"] is True
    await require_booked(shop, said["paid"]["transaction"])
