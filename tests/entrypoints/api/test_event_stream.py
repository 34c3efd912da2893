"""A stream of events misses nothing, says nothing twice, and ends with its key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from bascule.domain.webhook import EventType
from bascule.entrypoints.api import event_stream
from bascule.services.outbox import Outbox
from bascule.storage import api_keys, events
from tests.support.api import ENTROPY, Shop

STREAM = "/v1/events/stream"


async def happen(shop: Shop, *names: str, account: str | None = None) -> None:
    """Events with these ids of objects, numbered."""
    outbox = Outbox(shop.clock, ENTROPY)
    async with shop.api.transaction() as conn:
        for name in names:
            type = EventType.PAYOUT_PAID if name.startswith("po_") else EventType.INTENT_CREATED
            await outbox.append(
                conn, account_id=account or shop.merchant, livemode=False, type=type, object_id=name,
                object_version=1, object={"id": name, "description": "two\nlines"},
            )  # fmt: skip
    await shop.sequencer().run_once()


async def begun(shop: Shop) -> None:
    """Waits until somebody follows."""
    for _ in range(2_000):
        if shop.deps.streams:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody follows")


def told(response: httpx.Response) -> list[tuple[int, str]]:
    """The numbers and objects of the events in a stream; each event is told as it was stored."""
    found = []
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            event: dict[str, Any] = orjson.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (str(event["account_sequence"]), event["type"])
            found.append((event["account_sequence"], event["data"]["object"]["id"]))
    return found


async def test_a_stream_tells_what_happens_until_its_key_is_revoked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_read, last_read = asyncio.Event(), asyncio.Event()
    look = events.after

    async def after(*given: Any) -> list[events.Event]:
        found = await look(*given)
        first_read.set()
        if [event.account_sequence for event in found][-1:] == [4]:
            last_read.set()
        return found

    monkeypatch.setattr(events, "after", after)
    key = await shop.key(shop.merchant)
    await happen(shop, "pi_before")
    async with shop.client(key.secret) as client:
        following = asyncio.create_task(client.get(STREAM))
        await first_read.wait()
        await happen(shop, "pi_1", "po_2")
        await happen(shop, "pi_rival", account=shop.rival)
        await happen(shop, "pi_3")
        await last_read.wait()
        async with shop.owner.transaction() as conn:
            await api_keys.revoke(conn, shop.merchant, key.id, shop.clock.now())
        answer = await following

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert told(answer) == [(2, "pi_1"), (3, "po_2"), (4, "pi_3")]
    assert not shop.deps.streams


@pytest.mark.parametrize(
    ("query", "headers", "numbers"),
    [
        ("?after_sequence=0", {}, [1, 2, 3]),
        ("?after_sequence=0", {"Last-Event-ID": "2"}, [3]),
        ("?after_sequence=0&types[]=payout.paid", {}, [2]),
        ("?after_sequence=9", {}, []),
    ],
)
async def test_a_stream_goes_on_after_the_event_it_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, query: str, headers: dict[str, str], numbers: list[int]
) -> None:
    all_told, look = asyncio.Event(), events.after

    async def after(*given: Any) -> list[events.Event]:
        found = await look(*given)
        if not found:
            all_told.set()
        return found

    monkeypatch.setattr(events, "after", after)
    await happen(shop, "pi_1", "po_2", "pi_3")
    monkeypatch.setattr(event_stream, "PAUSE_S", 0.0)
    monkeypatch.setattr(event_stream, "AT_ONCE", 2)
    async with shop.client() as client:
        following = asyncio.create_task(client.get(STREAM + query, headers=headers))
        await asyncio.wait_for(all_told.wait(), 30)
        shop.clock.advance(event_stream.LONGEST_S)
        answer = await following

    assert [number for number, _ in told(answer)] == numbers


async def test_what_cannot_be_followed_is_refused_before_anything_is_told(shop: Shop) -> None:
    shop.deps.streams[shop.merchant, False] = event_stream.STREAMS
    async with shop.client() as client:
        many = await client.get(STREAM)
        del shop.deps.streams[shop.merchant, False]
        bad = await client.get(STREAM, headers={"Last-Event-ID": "evt_1"})
        unknown = await client.get(STREAM + "?since=1")
    async with shop.client("") as client:
        nobody = await client.get(STREAM)

    assert (many.status_code, many.json()["error"]["code"]) == (409, "too_many_streams")
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "Last-Event-ID")
    assert (unknown.status_code, nobody.status_code) == (400, 401)


async def test_those_who_ask_for_a_stream_at_once_are_counted_one_by_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "STREAMS", 3)
    monkeypatch.setattr(event_stream, "PAUSE_S", 0.0)
    async with shop.client() as client:
        asking = [asyncio.create_task(client.get(STREAM)) for _ in range(6)]
        for _ in range(2_000):
            if sum(each.done() for each in asking) == 3:
                break
            await asyncio.sleep(0.01)
        shop.clock.advance(event_stream.LONGEST_S)
        answers = await asyncio.gather(*asking)
        again = asyncio.create_task(client.get(STREAM))
        await begun(shop)
        shop.clock.advance(event_stream.LONGEST_S)

    assert sorted(each.status_code for each in answers) == [200, 200, 200, 409, 409, 409]
    assert ((await again).status_code, dict(shop.deps.streams)) == (200, {})
