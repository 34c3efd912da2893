"""The vault's events are decoded as its ABI lays them out, and nobody else's are."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from eth_abi.abi import encode

from bascule.chain.abi import artifact
from bascule.chain.errors import RpcError
from bascule.chain.logs import Log
from bascule.chain.rpc import Rpc
from bascule.chain.vault import (
    BATCH_PAID,
    PAYOUT_CANCELED,
    PAYOUT_REFUSED,
    BatchPaid,
    cancel_calldata,
    facts,
    refusal,
)
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak
from tests.support.nodes import no_guard, serve

VAULT, TOKEN = Address(b"\x01" * 20), Address(b"\xc0" * 20)
HEAD = Hash(b"\x0e" * 32)


def log(*topics: bytes, data: bytes = b"", source: Address = VAULT) -> Log:
    return Log(0, Hash(bytes(32)), source, topics, data)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


BATCH = log(
    BATCH_PAID,
    word(7),
    bytes(12) + TOKEN,
    word(7 << 216 | 5),
    data=encode(["bytes32", "uint256", "uint256"], [HEAD, 0b1011, 0b0010]),
)


def test_topics_and_calls_are_those_of_the_compiled_vault() -> None:
    vault = artifact("PayoutVault")

    assert vault.topic("BatchPaid") == BATCH_PAID
    assert vault.topic("PayoutRefused") == PAYOUT_REFUSED
    assert vault.topic("PayoutCanceled") == PAYOUT_CANCELED
    assert vault.calldata("cancel", [1, 2**255]) == cancel_calldata([1, 2**255])


def test_batch_refusals_and_cancellations_are_read() -> None:
    refused = log(PAYOUT_REFUSED, word(1 << 8 | 1), data=encode(["bytes"], [b"no"]))
    canceled = log(PAYOUT_CANCELED, word(9))

    found = facts(VAULT, [refused, BATCH, canceled])

    assert found.batches == (BatchPaid(7, HEAD, TOKEN, 7 << 216 | 5, 0b1011, 0b0010),)
    assert (found.refusals, found.canceled) == ({257: b"no"}, (9,))


def test_logs_of_other_contracts_and_other_events_are_passed_over() -> None:
    elsewhere = log(*BATCH.topics, data=BATCH.data, source=TOKEN)

    found = facts(VAULT, [elsewhere, log(b"\x99" * 32), log()])

    assert (found.batches, found.refusals, found.canceled) == ((), {}, ())


def test_event_of_an_unknown_layout_halts() -> None:
    with pytest.raises(Halted, match="unknown layout"):
        facts(VAULT, [log(BATCH_PAID, word(7), bytes(32), word(0), data=b"short")])
    with pytest.raises(Halted, match="unknown layout"):
        facts(VAULT, [log(PAYOUT_CANCELED)])


async def asked(answer: dict[str, Any]) -> str | None:
    async def handle(request: web.Request) -> web.Response:
        number = (await request.json())["id"]
        return web.json_response({"jsonrpc": "2.0", "id": number, **answer})

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        rpc = Rpc(url, session=session, guard=no_guard)
        return await refusal(rpc, sender=TOKEN, vault=VAULT, calldata=b"\x01", gas=21_000)


def reverted(data: object) -> dict[str, Any]:
    return {"error": {"code": 3, "message": "execution reverted", "data": data}}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"result": "0x"}, None),
        (reverted("0x" + keccak(b"EnforcedPause()")[:4].hex()), "EnforcedPause"),
        (reverted("0x" + keccak(b"EmptyBatch()")[:4].hex()), "EmptyBatch"),
        (reverted("0x12345678"), "unknown"),
        (reverted(None), "unknown"),
    ],
)
async def test_call_that_would_revert_is_named_by_the_vaults_error(
    answer: dict[str, Any], name: str | None
) -> None:
    assert await asked(answer) == name


async def test_node_that_cannot_simulate_is_no_refusal_of_the_vault() -> None:
    with pytest.raises(RpcError):
        await asked({"error": {"code": -32000, "message": "header not found"}})
