"""The Python client against the real API on a socket: what it asks arrives; a lost answer costs nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bascule.client import (
    AuthenticationError,
    Client,
    ConnectionLost,
    IdempotencyError,
    InvalidRequestError,
    ServerError,
    retries,
)
from bascule.entrypoints.api import create_app
from tests.support.api import OpenAs, Shop, open_shop
from tests.support.sandbox import served

INTENT: Any = {"amount": "25.00", "currency": "usdc"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    return await open_shop(db_as)


class Unreliable:
    """The API behind something that spoils its first answers, after the API has done its work."""

    def __init__(self, app: Any, *, spoiled: int, status: int, headers: dict[str, str]) -> None:
        self.app, self.spoiled, self.status = app, spoiled, status
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.keys: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.keys.append(dict(scope["headers"]).get(b"idempotency-key", b"").decode() or None)
        if self.spoiled == 0:
            await self.app(scope, receive, send)
            return
        self.spoiled -= 1

        async def swallow(message: Any) -> None:
            pass

        await self.app(scope, receive, swallow)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"<h1>Bad gateway</h1>"})


@asynccontextmanager
async def behind(
    shop: Shop, *, spoiled: int = 0, status: int = 502, **headers: str
) -> AsyncIterator[tuple[Client, Unreliable]]:
    front = Unreliable(create_app(shop.deps), spoiled=spoiled, status=status, headers=headers)
    async with served(front) as url:
        with Client(shop.secret, base_url=url) as client:
            yield client, front


async def message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer as it came."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None
    return head + await reader.readexactly(int(length[1]))


async def test_methods_of_the_client_create_read_change_and_list(shop: Shop) -> None:
    def use(client: Client) -> None:
        made = client.payment_intents.create(**INTENT, metadata={"order": "1042"})
        assert client.payment_intents.retrieve(made["id"]) == made
        changed = client.payment_intents.update(made["id"], description="a chair")
        assert (changed["description"], changed["metadata"]) == ("a chair", {"order": "1042"})
        assert client.payment_intents.cancel(made["id"])["status"] == "canceled"
        listed = client.payment_intents.list(created={"gte": made["created"]}, limit=5)
        assert ([each["id"] for each in listed], listed.has_more) == ([made["id"]], False)
        endpoint = client.webhook_endpoints.create(url="http://127.0.0.1:9/", enabled_events=["*"])
        assert client.webhook_endpoints.delete(endpoint["id"])["deleted"] is True

    async with behind(shop) as (client, _):
        await asyncio.to_thread(use, client)


async def test_auto_paging_gives_each_object_once_in_either_direction(shop: Shop) -> None:
    def use(client: Client) -> None:
        made = sorted(client.payment_intents.create(**INTENT)["id"] for _ in range(5))
        pages = client.payment_intents.list(limit=2)
        assert [each["id"] for each in pages.auto_paging_iter()] == made[::-1]
        newer = client.payment_intents.list(limit=2, ending_before=made[0])
        assert [each["id"] for each in newer.auto_paging_iter()] == made[1:]

    async with behind(shop) as (client, _):
        await asyncio.to_thread(use, client)


async def test_events_are_paged_by_their_sequence(shop: Shop) -> None:
    async with behind(shop) as (client, _):
        for _ in range(5):
            await asyncio.to_thread(lambda: client.payment_intents.create(**INTENT))
        await shop.sequencer().run_once()
        found = await asyncio.to_thread(
            lambda: list(client.events.list(after_sequence=1, limit=3).auto_paging_iter())
        )

    numbers = [each["account_sequence"] for each in found]
    assert numbers == list(range(2, numbers[-1] + 1))
    assert len(numbers) > 3


async def test_answer_that_was_lost_is_asked_for_again_under_the_same_key(shop: Shop) -> None:
    async with behind(shop, spoiled=2) as (client, front):
        made = await asyncio.to_thread(lambda: client.payment_intents.create(**INTENT))
        listed = await asyncio.to_thread(lambda: client.payment_intents.list().data)

    assert [each["id"] for each in listed] == [made["id"]]
    assert len(set(front.keys[:3])) == 1
    assert front.keys[0]


async def test_server_that_stays_down_is_told_of_after_the_last_attempt(shop: Shop) -> None:
    async with behind(shop, spoiled=9) as (client, front):
        with pytest.raises(ServerError) as told:
            await asyncio.to_thread(lambda: client.payment_intents.create(**INTENT))

    assert (told.value.status, told.value.code) == (502, "unreadable_answer")
    assert len(front.keys) == 3


async def test_longer_pause_than_we_wait_ends_the_attempts(shop: Shop) -> None:
    async with behind(shop, spoiled=9, status=429, **{"retry-after": "61"}) as (client, front):
        with pytest.raises(ServerError, match="429"):
            await asyncio.to_thread(client.balance.retrieve)

    assert len(front.keys) == 1


async def test_connection_that_breaks_is_made_anew_and_a_dead_one_named_with_its_key(shop: Shop) -> None:
    broken: list[bytes] = []

    async with served(create_app(shop.deps)) as url:
        port = int(url.rsplit(":", 1)[1])

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await message(reader)
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
            up_writer.write(asked)
            answer = await message(up_reader)
            if broken:
                writer.write(answer)
                await writer.drain()
            broken.append(asked)
            up_writer.close()
            writer.close()

        front = await asyncio.start_server(forward, "127.0.0.1", 0)
        at = f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"
        with Client(shop.secret, base_url=at) as client:
            made = await asyncio.to_thread(lambda: client.payment_intents.create(**INTENT))
            front.close()
            await front.wait_closed()
            with pytest.raises(ConnectionLost) as lost:
                await asyncio.to_thread(
                    lambda: client.payment_intents.create(**INTENT, idempotency_key="order-7")
                )
        with Client(shop.secret, base_url=url) as client:
            listed = await asyncio.to_thread(lambda: client.payment_intents.list().data)

    assert (len(broken), [each["id"] for each in listed]) == (2, [made["id"]])
    assert lost.value.idempotency_key == "order-7"


async def test_refusals_are_classes_with_all_that_the_api_says(shop: Shop) -> None:
    def use(client: Client) -> None:
        with pytest.raises(InvalidRequestError) as wrong:
            client.payment_intents.create(amount="1050", currency="usdc")
        error = wrong.value
        assert (error.status, error.code, error.param) == (400, "amount_decimal_point_required", "amount")
        assert error.request_id == error.headers["request-id"]
        assert error.doc_url
        assert error.doc_url.endswith(error.code)
        with pytest.raises(InvalidRequestError, match="resource_missing"):
            client.payment_intents.retrieve("pi_x?limit=1")
        client.payment_intents.create(**INTENT, idempotency_key="one")
        with pytest.raises(IdempotencyError, match="idempotency_key_reused"):
            client.payment_intents.create(amount="26.00", currency="usdc", idempotency_key="one")

    async with behind(shop) as (client, front):
        await asyncio.to_thread(use, client)
        stranger = Client("sk_test_nobody", base_url=str(client._http.base_url))
        with stranger, pytest.raises(AuthenticationError):
            await asyncio.to_thread(stranger.balance.retrieve)

    assert len(front.keys) == 5, "what cannot succeed later is asked once"
