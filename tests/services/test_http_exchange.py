"""Whatever a receiver says to a webhook, there is one answer of it or one line that says why not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ThreadedResolver

from bascule.services.egress import forbidden_address
from bascule.services.http_exchange import RESPONSE_MAX, Exchange
from bascule.services.http_places import Place, Places, target_of
from bascule.services.http_sender import HttpSender
from tests.support.receiver import local_sender

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOO_LONG = "no valid answer: its head is too long"
Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serving) -> AsyncIterator[str]:
    """A server that is no library's; its URL."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(size)


async def said(sender: HttpSender, url: str, n: int = 1) -> list[tuple[int | None, bytes, str | None]]:
    answers = [
        await sender.post(url, b"{}", {"webhook-id": f"evt_{each}"}, livemode=False) for each in range(n)
    ]
    return [(answer.status, answer.body, answer.error) for answer in answers]


async def nothing_of_use_is_kept(sender: HttpSender) -> None:
    """Returns once what the receiver did to the connections it answered over has arrived here."""
    [places] = sender._places.values()
    async with asyncio.timeout(30):
        while any(each.reusable for each in places._kept):  # noqa: ASYNC110 - it has no event for us
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("answer", "status", "body", "error"),
    [
        (OK, 200, b"ok", None),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b"", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok", None),
        (b"HTTP/1.0 200 OK\r\n\r\nok until the end", 200, b"ok until the end", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 101, b"", None),
        (OK[:-1], None, b"", "no valid answer: the connection ended before its end"),
        (b"", None, b"", "no valid answer: the connection ended before its end"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, b"", "no valid answer: Expected HTTP/, RTSP/ or ICE/"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * RESPONSE_MAX, None, b"", TOO_LONG),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * RESPONSE_MAX, None, b"", TOO_LONG),
    ],
)  # fmt: skip
async def test_an_answer_is_read_to_its_end_or_refused_in_words(
    answer: bytes, status: int | None, body: bytes, error: str | None
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        writer.close()

    async with serving(serve) as url, local_sender() as sender:
        assert await said(sender, url) == [(status, body, error)]


async def test_a_connection_is_used_again_unless_something_is_wrong_with_it() -> None:
    """Answers that end it, that say more than was asked, or that come with something after them."""
    answers = [OK, OK, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK, OK + OK, OK]
    seen: list[tuple[int, bytes]] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        while True:
            try:
                request = await request_of(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            seen.append((mine, request))
            writer.write(answers.pop(0))
        writer.close()

    async with serving(serve) as url, local_sender() as sender:
        assert await said(sender, url, 6) == [(200, b"ok", None)] * 6

    assert [connection for connection, _ in seen] == [1, 1, 1, 2, 2, 3]
    assert [request.split(b"webhook-id: ")[1][:5] for _, request in seen] == [b"evt_%d" % n for n in range(6)]


async def test_a_kept_connection_that_the_receiver_ended_or_that_spoke_is_not_used() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        writer.write(OK)
        await asyncio.sleep(0.02)
        if connections == 1:
            writer.write(b"HTTP/1.1 500 of nothing\r\n\r\n")
            await writer.drain()
            await reader.read()
        writer.close()

    async with serving(serve) as url, local_sender() as sender:
        for _ in range(3):
            assert await said(sender, url) == [(200, b"ok", None)]
            await nothing_of_use_is_kept(sender)

    assert connections == 3


async def test_a_receiver_that_ends_each_connection_without_saying_so_is_met_at_the_first_attempt() -> None:
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK)
        writer.close()

    async with serving(serve) as url, local_sender() as sender:
        assert await said(sender, url, 6) == [(200, b"ok", None)] * 6

    assert [request.split(b"webhook-id: ")[1][:5] for request in seen] == [b"evt_%d" % n for n in range(6)]


async def test_a_request_is_sent_once_more_only_where_a_kept_connection_ended_without_a_word() -> None:
    """A new connection that ends is a failure, and so is a kept one that ends in the middle of an answer."""
    answers = [OK, b"", b"", OK, OK[:-1]]
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (answer := answers.pop(0)) == OK:
            seen.append(await request_of(reader))
            writer.write(answer)
        seen.append(await request_of(reader))
        writer.write(answer)
        writer.close()

    async with serving(serve) as url, local_sender() as sender:
        met = [status for status, _, _ in await said(sender, url, 4)]

    assert met == [200, None, 200, None]
    ids = [int(request.split(b"webhook-id: evt_")[1][:1]) for request in seen]
    assert ids == [0, 1, 1, 2, 3]


async def test_trailers_without_end_are_not_read() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ")
        try:
            while True:
                writer.write(b"x" * 16_384)
                await writer.drain()
        except ConnectionError:
            ended.set()

    ended = asyncio.Event()
    async with serving(serve) as url, local_sender() as sender:
        assert await said(sender, url) == [(200, b"ok", None)]
        await asyncio.wait_for(ended.wait(), 30)


async def test_a_wait_that_ends_as_the_answer_comes_leaves_no_open_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        await reader.read()
        writer.close()
        ended.set()

    ended = asyncio.Event()
    async with serving(serve) as url:
        _, connection = await asyncio.get_running_loop().create_connection(
            Exchange, "127.0.0.1", target_of(url).place.port
        )
        asking = asyncio.create_task(connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"))
        await asyncio.sleep(0.01)
        connection.data_received(OK)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(ended.wait(), 30)

    assert asking.cancelled()
    assert not connection.reusable


async def test_kept_connections_are_looked_through_by_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    loop, timers = asyncio.get_running_loop(), 0
    places = Places(ThreadedResolver(), forbidden=lambda address: not forbidden_address(address))
    async with serving(serve) as url:
        port = target_of(url).place.port
        place = Place(False, "127.0.0.1", port)
        _, connection = await loop.create_connection(Exchange, "127.0.0.1", port)
        call_later = loop.call_later

        def counted(*call: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_later(*call)

        monkeypatch.setattr(loop, "call_later", counted)
        for _ in range(10):
            places.keep(place, connection)
            assert await places.connection(place) is connection
        monkeypatch.undo()
        connection.end()
        await places.close()

    assert timers == 1


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://a.example", b"POST / HTTP/1.1\r\nHost: a.example\r\n"),
        (
            "https://A.example:8443/x;y?z=%20&b={",
            b"POST /x;y?z=%20&b=%7B HTTP/1.1\r\nHost: a.example:8443\r\n",
        ),
        ("http://[::1]:9/a//b", b"POST /a//b HTTP/1.1\r\nHost: [::1]:9\r\n"),
    ],
)
def test_a_url_becomes_the_line_that_is_sent(url: str, line: bytes) -> None:
    assert target_of(url).line == line


async def test_over_tls_the_certificate_must_be_of_the_name_that_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the name in the certificate, by another, and by who does not know its authority."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await request_of(reader)
        writer.write(OK.replace(b"ok", b"on"))
        writer.close()

    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with local_sender(names=ThreadedResolver) as sender:
            stranger = await said(sender, f"https://localhost:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with local_sender(names=ThreadedResolver) as sender:
            named = await said(sender, f"https://localhost:{port}/", 2)
            unnamed = await said(sender, f"https://127.0.0.1:{port}/")

    assert named == [(200, b"ok", None), (200, b"on", None)]
    assert stranger == [(None, b"", "no connection to localhost: SSLCertVerificationError")]
    assert unnamed == [(None, b"", "no connection to 127.0.0.1: SSLCertVerificationError")]
