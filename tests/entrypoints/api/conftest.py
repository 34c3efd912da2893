"""The API over a real database, one per test."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from bascule.domain.chain import parse_address
from bascule.domain.rates import ONE, Pair, Rules
from bascule.services.rate_reader import RateReader
from bascule.services.rate_sources import FixedRates
from bascule.storage import addresses, approvals, ledger
from tests.support.api import LOCAL, VAULT, OpenAs, Shop, open_shop
from tests.support.money_out_setup import approver, set_policy

FLOAT, LIMIT = 1_000 * 10**6, 500 * 10**6
PRICES = {Pair("usdc", "usd"): ONE, Pair("usdc", "eur"): 92 * ONE // 100, Pair("eurc", "eur"): ONE}


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """Accounts, networks, tokens and keys."""
    return await open_shop(db_as)


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the merchant's test key."""
    async with shop.client() as client:
        yield client


@pytest.fixture
async def treasury(shop: Shop) -> str:
    """The operator's key; its account has a booked float, a limit, and two of three approvers to ask."""
    token, block = shop.tokens["local"], bytes(31) + b"\x05"
    await shop.run(
        "INSERT INTO blocks (chain_id, hash, number, parent, block_time) VALUES (%s, %s, 5, %s, now())",
        *(LOCAL, block, bytes(32)),
    )
    await shop.run(
        "INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)"
        " VALUES (%s, 6, %s, now(), 5, %s)",
        *(LOCAL, block, block),
    )
    async with shop.owner.transaction() as conn:
        await addresses.add_own(conn, LOCAL, VAULT, "vault")
        await conn.execute(
            "INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)"
            " VALUES ('opn_1', %s, %s, %s, 5, %s, %s)",
            [LOCAL, VAULT, token.contract, block, FLOAT],
        )
        await ledger.post_opening(conn, "opn_1")
        for number in (1, 2, 3):
            who = parse_address(approver(number).address)
            await approvals.add_approver(conn, shop.operator, who, roster_version=1)
        await set_policy(conn, shop.operator, token, max_per_payout=LIMIT, max_per_day=2 * LIMIT)
    return (await shop.key(shop.operator)).secret


@pytest.fixture
async def market(shop: Shop) -> Shop:
    """A shop whose tokens have fixed prices, read just now."""
    shop.deps = replace(
        shop.deps, rates=Rules(dict.fromkeys(PRICES, ("fixed",)), pegs={"usdc": "usd", "eurc": "eur"})
    )
    await RateReader(shop.worker, shop.clock, [FixedRates("fixed", PRICES)]).run_once()
    return shop
