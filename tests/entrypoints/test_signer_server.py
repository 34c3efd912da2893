"""The signer's socket belongs to its user alone, and every way to misuse it ends in one clear line."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.metrics import Meters
from bascule.entrypoints.signer_client import SignerClient, SignerUnreachable
from bascule.entrypoints.signer_server import BODY_MAX, SOCKET_PATH_MAX, SignerServer
from bascule.services.signing_intents import AmountLimits, RulesQuestion, SignerRefused
from tests.support.cases import case
from tests.support.money_out import OpenAs
from tests.support.nodes import no_guard
from tests.support.signing import ACCOUNT, CHAIN, LIMITS, TOKEN, VAULT, Desk


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


@pytest.fixture
async def path(desk: Desk, tmp_path: Path) -> AsyncIterator[Path]:
    """A listening signer's socket."""
    at = tmp_path / "s"
    server = SignerServer(desk.signer(), at)
    await server.open()
    yield at
    await server.close()
    assert not at.exists()


async def test_signature_and_refusal_cross_the_socket_unchanged(desk: Desk, path: Path) -> None:
    async with SignerClient(path, guard=no_guard) as client:
        signed = await client.sign(desk.pay())
        with pytest.raises(SignerRefused) as refused:
            await client.sign(desk.pay(desk.item(0, by=(1,)), desk.item(1), nonce=1))

    assert client.refusals == {"approvals_missing": 1}
    counted = Meters(refusals=(CHAIN, client.refusals)).text().decode()
    assert 'bascule_signer_refused_total{chain="eip155:31337",reason="approvals_missing"} 1.0' in counted
    assert 'bascule_signer_refused_total{chain="eip155:31337",reason="content_changed"} 0.0' in counted
    assert signed == await desk.signer().sign(desk.pay())
    assert [(item.name, item.code) for item in refused.value.items] == [("po_0", "approvals_missing")]


async def test_socket_is_open_to_its_user_alone(path: Path) -> None:
    mode = await asyncio.to_thread(path.stat)
    assert mode.st_mode & 0o777 == 0o600


async def test_second_signer_does_not_take_the_socket(desk: Desk, path: Path) -> None:
    with pytest.raises(Halted, match="another signer is listening"):
        await SignerServer(desk.signer(), path).open()


async def test_socket_left_by_a_crash_is_taken_over(desk: Desk, tmp_path: Path) -> None:
    at = tmp_path / "s"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(at))
    dead.close()

    server = SignerServer(desk.signer(), at)
    await server.open()
    async with SignerClient(at, guard=no_guard) as client:
        await client.sign(desk.pay())
    await server.close()


@pytest.mark.parametrize("name", ["x" * 200, "file", "no/such/folder"])
async def test_unusable_path_is_one_clear_line(desk: Desk, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Halted) as halted:
        await SignerServer(desk.signer(), tmp_path / name).open()

    assert "\n" not in str(halted.value)
    assert (str(SOCKET_PATH_MAX) in str(halted.value)) == (name == "x" * 200)


async def test_absent_signer_is_a_reason_to_wait(desk: Desk, tmp_path: Path) -> None:
    async with SignerClient(tmp_path / "s", guard=no_guard) as client:
        with pytest.raises(SignerUnreachable, match="does not answer") as waits:
            await client.sign(desk.pay())

    assert isinstance(waits.value, Retryable)


NO_INTENT = (
    b"",
    b"{}",
    b"[]",
    b'{"kind": "anything"}',
    b'{"kind": "digest", "digest": "AAAA"}',
    b'{"kind": "fill", "chain_id": "1"}',
)


async def test_what_is_no_typed_intent_is_not_even_considered(desk: Desk, path: Path) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session:
        for body in NO_INTENT:
            with case(body):
                async with session.post("http://signer/sign", data=body) as response:
                    assert response.status == 400
                    assert (await response.json())["code"] == "intent_malformed"
                assert await desk.count("slots") == 0


async def test_signer_tells_its_rules_and_binds_nothing_by_it(desk: Desk, path: Path) -> None:
    await desk.signer().sign(desk.pay(desk.item(amount=70)))
    async with SignerClient(path, guard=no_guard) as client:
        told = await client.rules(RulesQuestion(CHAIN, VAULT, TOKEN, (ACCOUNT, "acct_unknown")))
        other = await client.rules(RulesQuestion(CHAIN, VAULT, b"\x77" * 20, ()))
        with pytest.raises(SignerRefused, match="vault is not 20 bytes"):
            await client.rules(RulesQuestion(CHAIN, b"", TOKEN, ()))

    assert told.limits == AmountLimits(LIMITS.max_per_item, LIMITS.max_per_day)
    assert [(each.account_id, each.threshold) for each in told.rosters] == [(ACCOUNT, 2)]
    assert (told.spent, other.spent, other.limits) == (70, 0, None)
    assert (await desk.count("slots"), await desk.count("refusals")) == (1, 0)


async def test_intent_with_one_more_field_is_refused(desk: Desk, path: Path) -> None:
    asked = {**msgspec.to_builtins(desk.fill()), "data": "AAAA"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session,
        session.post("http://signer/sign", json=asked) as response,
    ):
        assert response.status == 400
    assert await desk.count("slots") == 0


ODD: dict[str, bytes] = {
    "NUL in a name": b'"payout_id":"po_\\u0000"',
    "half a surrogate": b'"payout_id":"po_\\ud800"',
    "an amount of 4,000 digits": b'"amount":' + b"9" * 4_000,
    "an amount of 5,000 digits": b'"amount":' + b"9" * 5_000,
    "a negative amount": b'"amount":-1',
    "a fraction": b'"amount":1.5',
    "half an address": b'"to":"UFBQ"',
    "a position of its own": b'"position":256',
}


async def test_intent_with_an_odd_value_is_refused_and_the_signer_lives_on(desk: Desk, path: Path) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session:
        for name, odd in ODD.items():
            with case(name):
                async with session.post("http://signer/sign", data=with_odd_value(desk, odd)) as response:
                    assert response.status in (400, 409)
                    code = (await response.json())["code"]
                    assert code in ("intent_malformed", "amount_too_large", "amount_too_small")
                assert await desk.count("slots") == 0

    async with SignerClient(path, guard=no_guard) as client:
        await client.sign(desk.pay())


def with_odd_value(desk: Desk, odd: bytes) -> bytes:
    """A good question as JSON, with one member replaced."""
    name = odd[: odd.index(b":")]
    body = msgspec.json.encode(desk.pay(desk.item(payout_id="po_odd", amount=7)))
    was = next(
        part for part in (b'"payout_id":"po_odd"', b'"amount":7', b'"to":"', b'"position":0') if name in part
    )
    end = body.index(b'"', body.index(was) + len(was)) + 1 if name == b'"to"' else body.index(was) + len(was)
    return body[: body.index(was)] + odd + body[end:]


async def test_intent_beyond_a_megabyte_is_not_read(desk: Desk, path: Path) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session,
        session.post("http://signer/sign", data=io.BytesIO(b" " * (BODY_MAX + 1))) as response,
    ):
        assert response.status == 413
    assert await desk.count("refusals") == 0
