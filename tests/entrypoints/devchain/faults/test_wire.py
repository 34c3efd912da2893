"""Answers that do not arrive, arrive late, broken, or as something else."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.entrypoints.devchain.faults.conftest import Door

CALL = {"jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber", "params": []}
SOON = aiohttp.ClientTimeout(total=0.2)


async def fetched(door: Door, call: Any = CALL) -> tuple[int, bytes, Any]:
    async with door.session.post(door.url, json=call) as response:
        return response.status, await response.read(), response.headers


async def test_connection_is_closed_without_an_answer(any_door: Door) -> None:
    await any_door.set("drop", times=1)

    with pytest.raises(aiohttp.ClientConnectionError):
        await fetched(any_door)
    assert (await fetched(any_door))[0] == 200


async def test_node_is_silent_until_its_caller_gives_up(any_door: Door) -> None:
    await any_door.set("hang", times=1)

    with pytest.raises(TimeoutError):
        await any_door.post(CALL, timeout=SOON)
    await any_door.set("hang", seconds=0, times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetched(any_door)


async def test_delayed_request_sees_what_happened_meanwhile(any_door: Door) -> None:
    before = int(await any_door.true("eth_blockNumber"), 16)
    await any_door.set("delay", seconds=1, times=1)

    late = asyncio.create_task(any_door.ask("eth_blockNumber"))
    for _ in range(500):
        if await any_door.hits() == [1]:
            break
        await asyncio.sleep(0.001)
    await any_door.mine()

    assert int(await late, 16) == before + 1


async def test_web_page_stands_where_json_should(any_door: Door) -> None:
    for status in (200, 413, 502, 503):
        await any_door.set("page", status=status, times=1)
        found, body, headers = await fetched(any_door)
        assert (found, headers["content-type"].partition(";")[0]) == (status, "text/html")
        assert body.startswith(b"<html>")


async def test_gateway_refuses_in_plain_text_and_says_when_to_come_back(door: Door) -> None:
    await door.set("page", status=429, text="Too Many Requests", retry_after=3)

    status, body, headers = await fetched(door)

    assert (status, body, headers["Retry-After"]) == (429, b"Too Many Requests", "3")


async def test_provider_refuses_under_its_own_status(door: Door) -> None:
    await door.set("http_error", client="alchemy", says="rate_limited")

    status, body, headers = await fetched(door)

    assert (status, headers["Retry-After"]) == (429, "1")
    answer = json.loads(body)
    assert (answer["id"], answer["error"]["code"]) == (7, 429)
    assert "exceeded its compute units per second" in answer["error"]["message"]
    assert json.loads((await fetched(door, [CALL, CALL]))[1])["id"] is None


async def test_body_ends_early_though_its_length_is_right(door: Door) -> None:
    await door.set("cut", keep=0.6)

    status, body, headers = await fetched(door)

    assert (status, len(body)) == (200, int(headers["Content-Length"]))
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_connection_is_reset_within_the_body(any_door: Door) -> None:
    await any_door.set("reset", times=1)

    with pytest.raises(aiohttp.ClientError):
        await fetched(any_door)
    assert (await fetched(any_door))[0] == 200


async def test_body_drips_slower_than_its_caller_waits(any_door: Door) -> None:
    await any_door.set("drip", seconds=30, pieces=5, times=1)
    with pytest.raises(TimeoutError):
        await any_door.post(CALL, timeout=SOON)

    await any_door.set("drip", seconds=0.02, pieces=5)
    assert (await any_door.post(CALL))["id"] == 7


async def test_answer_is_huge_and_still_true(door: Door) -> None:
    await door.set("huge", bytes=2_000_000)

    _, body, _ = await fetched(door)

    assert len(body) > 2_000_000
    assert json.loads(body)["id"] == 7


async def test_result_is_named_twice(door: Door) -> None:
    await door.set("duplicate_keys", second="0xbad")

    _, body, _ = await fetched(door)
    pairs = json.loads(body, object_pairs_hook=list)
    _, batch, _ = await fetched(door, [CALL])

    assert [value for name, value in pairs if name == "result"][1:] == ["0xbad"]
    assert batch.count(b'"result"') == 2


async def test_what_is_no_json_reaches_the_node_as_it_is(door: Door) -> None:
    await door.set("empty")

    async with door.session.post(door.url, data=b"{") as response:
        assert "error" in await response.json()
