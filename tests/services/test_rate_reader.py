"""Rates are read from sources that may say anything: real answers over HTTP, each kept as it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from bascule.domain.errors import Conflict
from bascule.domain.rates import ONE, Pair, Rules, read_price
from bascule.services.quotes import QuoteRequest, Quotes
from bascule.services.rate_reader import RateReader
from bascule.services.rate_sources import FixedRates, HttpRates
from bascule.storage import rates
from bascule.storage.rates import Reading
from tests.support.api import ENTROPY, START, Shop

PAIR, PEG = Pair("usdc", "eur"), Pair("usdc", "usd")
PATIENCE_S = {"slow": 0.3}  # with that one alone: others answer, however busy the machine


class Exchange:
    """A server of prices: each path answers what a test put there."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, int]] = {}
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "slow":
            await asyncio.sleep(5 * PATIENCE_S["slow"])
        if name == "moved":
            raise web.HTTPFound("/good")
        body, status = self.answers[name]
        return web.Response(body=body, status=status)

    def says(self, name: str, body: str | bytes, status: int = 200) -> None:
        self.answers[name] = (body.encode() if isinstance(body, str) else body, status)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    app = web.Application()
    app.router.add_get("/{name}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def source(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack, name: str, *, time: str | None = None
) -> HttpRates:
    made = HttpRates(
        name, [PAIR], f"{exchange.url}/{name}", "data.price", time,
        guard=shop.worker.refuse_open_transaction, timeout_s=PATIENCE_S.get(name, 30.0),
    )  # fmt: skip
    return await stack.enter_async_context(made)


async def kept(shop: Shop) -> dict[str, Reading]:
    async with shop.api.read() as conn:
        return {reading.source: reading for reading in await rates.newest(conn, START - timedelta(days=1))}


def quotes_of(shop: Shop, *names: str, **rules: Any) -> Quotes:
    given = {"sources": {PAIR: names, PEG: ["fixed"]}, "pegs": {"usdc": "usd"}} | rules
    return Quotes(shop.clock, ENTROPY, Rules(**given))


async def quoted(shop: Shop, quotes: Quotes) -> dict[str, Any]:
    async with shop.api.transaction() as conn:
        return await quotes.create(
            conn, account_id=shop.merchant, livemode=False, request=QuoteRequest("25.00", "eur", "usdc")
        )


WRONG: list[tuple[str, str | bytes, int, str]] = [
    ("html", "<html><title>Not now</title></html>", 200, "not JSON"),
    ("down", '{"data": {"price": "0.92"}}', 503, "status 503"),
    ("nan", '{"data": {"price": NaN}}', 200, "not a plain number above 0"),
    ("nothing", '{"data": {"price": null}}', 200, "not a plain number above 0"),
    ("true", '{"data": {"price": true}}', 200, "not a plain number above 0"),
    ("negative", '{"data": {"price": -0.92}}', 200, "not a plain number above 0"),
    ("zero", '{"data": {"price": 0.0}}', 200, "not above 0"),
    ("huge", '{"data": {"price": 1e300}}', 200, "larger than any price"),
    ("endless", '{"data": {"price": ' + "9" * 5000 + "}}", 200, "not a plain number above 0"),
    ("elsewhere", '{"price": "0.92"}', 200, "nothing stands at data.price"),
    ("deep", "[" * 60_000, 200, "not JSON"),
    ("long", '{"data": {"price": "0.92"}, "more": "' + "x" * 70_000 + '"}', 200, "more than 64 KiB"),
    ("bytes", b"\xff\x00\xfe", 200, "not JSON"),
]


async def test_what_a_source_says_wrongly_is_kept_with_its_reason_and_prices_nothing(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack
) -> None:
    for name, body, status, _ in WRONG:
        exchange.says(name, body, status)
    expected = {name: why for name, _, _, why in WRONG}
    expected |= {"slow": "no answer in time", "moved": "status 302"}
    sources = [await source(shop, exchange, stack, name) for name in expected]
    unheard = HttpRates(
        "unheard", [PAIR], "http://127.0.0.1:1/", "price", None, guard=shop.worker.refuse_open_transaction
    )
    sources.append(await stack.enter_async_context(unheard))

    assert await RateReader(shop.worker, shop.clock, sources).run_once() == 0

    found = await kept(shop)
    unheard_of = found.pop("unheard").refusal
    assert unheard_of is not None
    assert unheard_of.startswith("no valid answer: ")
    assert {name: reading.refusal for name, reading in found.items()} == expected
    assert all(reading.price is None for reading in found.values())
    assert found["html"].raw == "<html><title>Not now</title></html>"
    assert found["nan"].raw == '{"data": {"price": NaN}}'
    assert len(found["endless"].raw) == 1000
    with pytest.raises(Conflict) as refused:
        await quoted(shop, quotes_of(shop, *expected))
    assert refused.value.code == "rate_unavailable"


async def test_a_price_is_read_as_old_as_its_source_says(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack
) -> None:
    minute = START - timedelta(minutes=1)
    spelled = {
        "seconds": f"{minute.timestamp():.0f}",
        "milliseconds": f"{minute.timestamp() * 1000:.0f}",
        "iso": f'"{minute.isoformat()}"',
        "zulu": '"2026-11-21T11:59:00Z"',
        "tomorrow": f"{(START + timedelta(days=1)).timestamp():.0f}",
        "never": '"soon"',
        "far": "1e30",
    }
    for name, text in spelled.items():
        exchange.says(name, f'{{"data": {{"price": "0.92", "at": {text}}}}}')
    sources = [await source(shop, exchange, stack, name, time="data.at") for name in spelled]

    await RateReader(shop.worker, shop.clock, sources).run_once()

    found = await kept(shop)
    refused = {name: found.pop(name).refusal for name in ("tomorrow", "never", "far")}
    assert refused == {"tomorrow": "from the future", "never": "not a moment", "far": "not a moment"}
    assert {reading.as_of for reading in found.values()} == {minute}
    assert {reading.asked_at for reading in found.values()} == {START}
    assert {reading.price for reading in found.values()} == {92 * ONE // 100}


async def test_a_quote_names_every_price_it_was_made_of_and_the_outlier(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack
) -> None:
    exchange.says("a", '{"data": {"price": 0.92}}')
    exchange.says("b", '{"data": {"price": "0.921"}}')
    exchange.says("c", '{"data": {"price": "9.2"}}')
    sources = [await source(shop, exchange, stack, name) for name in "abc"]
    fixed = FixedRates("fixed", {PEG: ONE})
    await RateReader(shop.worker, shop.clock, [*sources, fixed]).run_once()

    quote = await quoted(shop, quotes_of(shop, "a", "b", "c"))

    assert (quote["rate"], quote["to_amount"]) == ("0.92", "27.173914")
    said = {(each["source"], each["pair"], each["rate"], each["verdict"]) for each in quote["sources"]}
    assert said == {
        ("a", "usdc/eur", "0.92", "agreed"), ("b", "usdc/eur", "0.921", "agreed"),
        ("c", "usdc/eur", "9.20", "outlier"), ("fixed", "usdc/usd", "1.00", "agreed"),
    }  # fmt: skip
    assert quote["peg"] == {"currency": "usd", "rate": "1.00", "off_bps": 0}

    exchange.says("b", '{"data": {"price": "0.5"}}')
    await RateReader(shop.worker, shop.clock, sources).run_once()
    with pytest.raises(Conflict) as refused:
        await quoted(shop, quotes_of(shop, "a", "b", "c"))
    assert refused.value.code == "rates_disagree"


async def test_the_newest_price_is_used_until_it_is_stale_while_its_source_is_silent(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack
) -> None:
    exchange.says("a", '{"data": {"price": "0.92"}}')
    reader = RateReader(
        shop.worker, shop.clock,
        [await source(shop, exchange, stack, "a"), FixedRates("fixed", {PEG: ONE})],
    )  # fmt: skip
    await reader.run_once()
    exchange.says("a", "gone", 500)
    shop.clock.advance(60)
    await reader.run_once()

    assert (await quoted(shop, quotes_of(shop, "a")))["rate"] == "0.92"

    shop.clock.advance(1)
    await reader.run_once()
    with pytest.raises(Conflict) as refused:
        await quoted(shop, quotes_of(shop, "a"))
    assert refused.value.code == "rate_stale"


@pytest.mark.parametrize(
    ("peg", "made"), [("0.98", True), ("1.02", True), ("0.9799", False), ("1.0201", False)]
)
async def test_a_token_off_its_peg_gets_no_new_quotes(shop: Shop, peg: str, made: bool) -> None:
    fixed = FixedRates("fixed", {PEG: read_price(peg), PAIR: 92 * ONE // 100})
    await RateReader(shop.worker, shop.clock, [fixed]).run_once()

    if made:
        assert (await quoted(shop, quotes_of(shop, "fixed")))["peg"]["rate"].startswith(peg)
        return
    with pytest.raises(Conflict, match=f"One usdc is {peg} usd") as refused:
        await quoted(shop, quotes_of(shop, "fixed"))
    assert refused.value.code == "token_off_peg"


async def test_no_source_is_asked_inside_a_transaction(
    shop: Shop, exchange: Exchange, stack: AsyncExitStack
) -> None:
    asked = await source(shop, exchange, stack, "a")

    async with shop.worker.transaction():
        with pytest.raises(Exception, match="transaction"):
            await asked.ask(PAIR, datetime.now(UTC))
