"""A merchant's URL leads to the public internet or nowhere."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import AsyncResolver, ThreadedResolver, web
from aiohttp.abc import AbstractResolver, ResolveResult

from bascule.domain.errors import Rejected
from bascule.services.egress import EgressRules, forbidden_address
from bascule.services.http_exchange import KEPT_RESPONSE, RESPONSE_MAX
from bascule.services.http_sender import TIMEOUT_S, Answer, HttpSender
from bascule.storage.database import Database, TransactionOpen, refuse_open_transaction
from tests.support.receiver import local_sender, receiver


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "192.0.0.8", "192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::",
        "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
        "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1", "100::1",
        "2001:db8::1", "::ffff:0:7f00:1", "200::1", "4000::1", "fd00:ec2::254", "not an address",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_forbidden(text: str) -> None:
    assert forbidden_address(text)


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:81b::200e"])
def test_a_public_address_is_allowed(text: str) -> None:
    assert ip_address(text)
    assert not forbidden_address(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://merchant.example/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://a.local/",
        "https://metadata.google.internal/", "https://merchant.example:22/", "https://user@merchant.example/",
        "https://merchant.example/#part", "https://0x7f000001/", "https://2130706433/", "https://127.1/",
        "https://0177.0.0.1/", "https://merchant/", "https:///path", "ftp://merchant.example/", "https://[::1",
        "https://merchant.example/a b", "https://merchänt.example/", "javascript:alert(1)", "",
        "https://merchant.example:99999/", "https://10.0.0.1.:443/", "https://merchant.example\n.evil.example/",
    ],
)  # fmt: skip
def test_a_url_that_leads_inside_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(Rejected) as refusal:
        EgressRules(allow_local=True).check(url, livemode=True)
    assert refusal.value.code == "webhook_url_forbidden"


def test_loopback_needs_the_setting_and_test_mode_both() -> None:
    url = "http://127.0.0.1:9/hook"

    EgressRules(allow_local=True).check(url, livemode=False)
    for rules, livemode in ((EgressRules(True), True), (EgressRules(False), False)):
        with pytest.raises(Rejected):
            rules.check(url, livemode=livemode)
    EgressRules(allow_local=False).check("https://merchant.example:8443/hook?a=b", livemode=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://192.168.1.1/", "http://0.0.0.0/",
        "http://metadata.google.internal/", "http://[fe80::1]/", "http://2130706433/", "http://intranet/",
    ],
)  # fmt: skip
def test_in_development_loopback_opens_and_the_private_network_does_not(url: str) -> None:
    rules = EgressRules(allow_local=True)
    for mine in (
        "http://localhost:9/",
        "http://shop.localhost/",
        "http://[::1]:9/",
        "http://merchant.example:81/",
    ):
        rules.check(mine, livemode=False)

    with pytest.raises(Rejected) as refusal:
        rules.check(url, livemode=False)
    assert refusal.value.code == "webhook_url_forbidden"


async def test_in_development_a_name_of_the_private_network_is_not_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 81))]

    async def resolved(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    async with local_sender(names=ThreadedResolver) as sender:
        answer = await sender.post("http://merchant.example:81/hook", b"{}", {}, livemode=False)

    assert answer.error == "the host resolves to an address that is not public"


async def test_a_name_that_resolves_to_an_inside_address_is_not_dialled() -> None:
    async with local_sender(allow_local=False) as sender:
        sender.rules = _Lenient()
        answer = await sender.post("https://localhost:8443/hook", b"{}", {}, livemode=False)

    assert answer.status is None
    assert answer.error == "the host resolves to an address that is not public"


class _Lenient(EgressRules):
    """As if the name had looked public when the endpoint was made."""

    def check(self, url: str, *, livemode: bool, param: str | None = "url") -> None:
        return None


async def test_names_whose_servers_are_silent_hold_up_no_other() -> None:
    """A name server that never answers is asked for a hundred names while a receiver is called by address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        port = silent.getsockname()[1]

        def names() -> AsyncResolver:
            return AsyncResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port)

        async with receiver() as server, local_sender(timeout_s=30.0, names=names) as sender:

            def ask(shop: str) -> list[asyncio.Task[Answer]]:
                urls = [f"http://{shop}{n}.example/" for n in range(100)]
                return [asyncio.create_task(sender.post(url, b"{}", {}, livemode=False)) for url in urls]

            silently = ask("shop")
            await asyncio.get_running_loop().sock_recv(silent, 512)
            answer = await sender.post(server.url + "/hook", b"{}", {}, livemode=False)
            waiting = sum(not each.done() for each in silently)
            sender.timeout_s = 0.3
            unheard = await asyncio.gather(*ask("store"))
            for each in silently:
                each.cancel()
            await asyncio.wait(silently)

    assert (answer.status, waiting) == (200, 100)
    assert {each.error for each in unheard} == {"no answer in time"}


async def test_a_receiver_that_does_not_answer_in_time_or_at_all_is_an_error_in_words() -> None:
    stuck = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await stuck.wait()
        return web.Response()

    async with receiver() as server, local_sender(timeout_s=0.2) as sender:
        server.answers["/hook"] = hang
        late = await sender.post(server.url + "/hook", b"{}", {}, livemode=False)
        stuck.set()
    async with local_sender() as sender:
        nobody = await sender.post("http://127.0.0.1:1/hook", b"{}", {}, livemode=False)

    assert (late.status, late.error) == (None, "no answer in time")
    assert nobody.status is None
    assert nobody.error is not None
    assert nobody.error.startswith("no connection to 127.0.0.1")
    assert TIMEOUT_S == 15.0


async def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 16_384)
        except ConnectionError:
            return response

    async with receiver() as server, local_sender() as sender:
        server.answers["/hook"] = flood
        answer = await sender.post(server.url + "/hook", b"{}", {}, livemode=False)

    assert (answer.status, answer.size, answer.body) == (200, RESPONSE_MAX, b"x" * KEPT_RESPONSE)


async def test_nothing_is_sent_inside_an_open_transaction(db: Database) -> None:
    async with HttpSender(refuse_open_transaction, EgressRules(True)) as sender, db.transaction():
        with pytest.raises(TransactionOpen):
            await sender.post("http://127.0.0.1:1/", b"{}", {}, livemode=False)


class _Names(AbstractResolver):
    """A name server whose answers are given; says how often it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._answers.pop(0)
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
            )
            for each in found
        ]

    async def close(self) -> None:
        return None


async def test_a_name_that_is_public_and_then_inside_is_never_dialled_inside() -> None:
    """Rebinding: a public address beside an inside one, then the inside one alone, then that in disguise."""
    names = _Names(["93.184.215.14", "127.0.0.1"], ["169.254.169.254"], ["64:ff9b::7f00:1"])
    async with local_sender(allow_local=False, names=lambda: names) as sender:
        for _ in range(3):
            answer = await sender.post("https://shop.example/hook", b"{}", {}, livemode=True)
            assert (answer.status, answer.error) == (
                None,
                "the host resolves to an address that is not public",
            )


async def test_an_answer_that_drips_ends_in_time_and_one_without_tls_is_an_error() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(1)
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not reader.at_eof():
                writer.write(b"X-More: x\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        ended.append(writer)

    ended: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, local_sender(timeout_s=0.3) as sender:
        dripped = await sender.post(f"http://127.0.0.1:{port}/", b"{}", {}, livemode=False)
        async with local_sender() as patient:
            plain = await patient.post(f"https://127.0.0.1:{port}/", b"{}", {}, livemode=False)
        for _ in range(500):
            if len(ended) == 2:
                break
            await asyncio.sleep(0.01)

    assert (dripped.status, dripped.error) == (None, "no answer in time")
    assert (plain.status, plain.error) == (None, "no connection to 127.0.0.1: SSLError")
