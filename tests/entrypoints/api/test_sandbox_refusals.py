"""Who is kept out of the sandbox, and what it refuses; each with a code of its own and no effect."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, get_args

import httpx
import pytest
from aiohttp import web

from bascule.domain.chain import checksum
from bascule.entrypoints.api import test_helpers
from bascule.entrypoints.api.sandbox_params import EventTrigger
from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.services.sandbox import Sandbox
from bascule.services.sandbox_trigger import RECIPES
from tests.entrypoints.api.test_bad_input import NASTY
from tests.support.api import Shop
from tests.support.cases import case
from tests.support.chain import calldata
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.nodes import serve
from tests.support.sandbox import ask, fresh_key, refusal, sandbox_api

PATH = "/v1/test_helpers"
PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.fixture
async def client(b: Bridge) -> AsyncIterator[httpx.AsyncClient]:
    secret = await fresh_key(b.owner, b.merchant, b.clock)
    async with sandbox_api(b.api, b.clock, {b.node.dev.chain_id: b.node.url}, secret) as made:
        yield made


async def test_installation_without_a_sandbox_says_so_on_every_path(shop: Shop) -> None:
    async with shop.client() as client:
        for operation in test_helpers.OPERATIONS:
            path = operation.path.format(id=1 if "faults" in operation.path else "pi_" + "0" * 26)
            answer = await client.request(operation.method, path, json=operation.example or None)
            code = answer.json()["error"]["code"]
            assert (answer.status_code, code) in {(404, "sandbox_disabled"), (404, "resource_missing")}
            assert code == "sandbox_disabled" or "pi_" in path


async def test_live_key_is_refused_and_its_existence_closes_the_sandbox_to_all(shop: Shop) -> None:
    shop.deps = replace(shop.deps, sandbox=Sandbox(shop.api, {}, WellKnownPurse()))

    async with shop.client(shop.live_secret) as live, shop.client() as test:
        made = (await test.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdc"})).json()
        for operation in test_helpers.OPERATIONS:
            path = operation.path.format(id=1 if "faults" in operation.path else made["id"])
            answer = await live.request(operation.method, path, json=operation.example or None)
            with case(operation.name):
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) == (403, "sandbox_livemode")
        assert await refusal(test, "chain/mine") == (403, "sandbox_beside_live_key", None)
        await shop.run("UPDATE api_keys SET revoked_at = now() WHERE livemode")
        assert await refusal(test, "chain/mine", network="base") == (
            403,
            "sandbox_network_forbidden",
            "network",
        )


async def test_key_without_the_scope_is_refused(shop: Shop) -> None:
    narrow = await shop.key(shop.merchant, kind="rk", scopes=("payment_intents:write",))

    async with shop.client(narrow.secret) as client:
        assert await refusal(client, "chain/mine") == (403, "scope_missing", None)


SENSELESS: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("chain/mine", {"blocks": 0}, 400, "parameter_invalid", "blocks"),
    ("chain/mine", {"blocks": 1_001}, 400, "parameter_invalid", "blocks"),
    ("chain/mine", {"network": "mars"}, 400, "network_unknown", "network"),
    ("chain/reorg", {}, 400, "parameter_missing", "depth"),
    ("chain/reorg", {"depth": 1_000}, 400, "node_refused", None),
    ("chain/reorg", {"depth": 1, "drop": ["0x12"]}, 400, "parameter_invalid", "drop[0]"),
    ("chain/reorg", {"depth": 1, "drop": ["0x" + "ab" * 32]}, 400, "transaction_not_there", "drop[0]"),
    ("chain/gas_spike", {}, 400, "parameter_missing", "factor"),
    ("chain/gas_spike", {"factor": 2, "base_fee": 5}, 400, "parameter_invalid", "base_fee"),
    ("chain/gas_spike", {"base_fee": 2**61}, 400, "parameter_invalid", "base_fee"),
    ("chain/drop_tx", {"tx_hash": "0x" + "ab" * 32}, 409, "transaction_not_waiting", "tx_hash"),
    ("chain/drop_tx", {"tx_hash": "ab"}, 400, "parameter_invalid", "tx_hash"),
    ("chain/pause_rpc", {"seconds": 0}, 400, "parameter_invalid", "seconds"),
    ("chain/pause_rpc", {"seconds": 601}, 400, "parameter_invalid", "seconds"),
    ("chain/faults", {}, 400, "parameter_missing", "kind"),
    ("chain/faults", {"kind": "gremlin"}, 400, "node_refused", None),
    ("chain/faults", {"kind": "flip_flop"}, 400, "node_refused", None),
    ("chain/faults", {"kind": "truncate", "drop": "two"}, 400, "node_refused", None),
    ("chain/faults", {"kind": "null", "keep": 0.5}, 400, "node_refused", None),
    ("chain/faults", {"kind": "drop", "methods": ["evm_mine"]}, 400, "node_refused", None),
    ("tokens/faucet", {"to": PAYEE, "currency": "usdt"}, 400, "parameter_missing", "amount"),
    ("tokens/faucet", {"to": PAYEE, "amount": "1.00"}, 400, "parameter_missing", "currency"),
    ("tokens/faucet", {"to": PAYEE, "amount": "1", "currency": "usdt"}, 400,
     "amount_decimal_point_required", "amount"),
    ("tokens/faucet", {"to": PAYEE, "amount": "1.00", "currency": "eurc"}, 400,
     "currency_unsupported", "currency"),
    ("tokens/faucet", {"to": PAYEE, "amount": "1.00", "token": "tok_no"}, 400, "token_unknown", "token"),
    ("tokens/faucet", {"to": "0x70", "amount": "1.00", "currency": "usdt"}, 400, "address_invalid", "to"),
]  # fmt: skip


async def test_what_makes_no_sense_is_refused_by_name_and_changes_nothing(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    head = b.node.dev.chain.index.head

    for path, body, status, code, param in SENSELESS:
        with case(f"{path} {body}"):
            assert await refusal(client, path, **body) == (status, code, param)
            assert b.node.dev.chain.index.head is head
            assert (await client.get(f"{PATH}/chain/faults")).json()["data"] == []
            assert len(b.node.dev.chain.pool) == 0


async def test_payer_must_be_a_funded_account_with_enough_money(b: Bridge, client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdt"})).json()
    path = f"payment_intents/{made['id']}/pay"

    assert await refusal(client, path, **{"from": PAYEE}) == (400, "payer_unknown", "from")
    assert await refusal(client, path) == (400, "payer_short", "from")
    assert await refusal(client, path, token="tok_no") == (400, "token_unknown", "token")
    assert await refusal(client, path, amount="0.00") == (400, "amount_too_small", "amount")


async def test_token_that_cannot_be_minted_is_refused_before_anything_is_sent(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    contract = checksum(b.token.contract)
    pause = calldata("pause()", [])
    receipt = await b.node.transact(b.node.accounts[0], to=contract, data=pause)
    assert receipt["status"] == "0x1"

    got = await refusal(client, "tokens/faucet", to=PAYEE, amount="1.00", currency="usdt")

    assert got == (400, "token_refuses", "token")
    assert len(b.node.dev.chain.pool) == 0


async def test_real_node_is_told_apart_from_a_development_node(b: Bridge) -> None:
    async def geth(request: web.Request) -> web.Response:
        asked = json.loads(await request.text())
        error = {"code": -32601, "message": f"the method {asked['method']} does not exist/is not available"}
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})

    secret = await fresh_key(b.owner, b.merchant, b.clock)
    async with serve(geth) as url, sandbox_api(b.api, b.clock, {b.node.dev.chain_id: url}, secret) as client:
        for path, body in (
            ("chain/mine", {}),
            ("chain/reorg", {"depth": 1}),
            ("chain/gas_spike", {"base_fee": 5}),
            ("chain/drop_tx", {"tx_hash": "0x" + "ab" * 32}),
            ("chain/pause_rpc", {}),
            ("chain/faults", {"kind": "drop"}),
        ):
            assert await refusal(client, path, **body) == (400, "control_unsupported", None)


async def test_two_requests_with_one_key_at_once_act_once(b: Bridge, client: httpx.AsyncClient) -> None:
    before = b.node.dev.chain.index.head.number

    answers = await asyncio.gather(
        *(
            client.post("/v1/test_helpers/chain/mine", json={}, headers={"idempotency-key": "mine-once"})
            for _ in range(5)
        )
    )

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert b.node.dev.chain.index.head.number == before + 1
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1


async def test_fault_is_set_listed_counted_and_ended_by_its_number(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    form = {
        "kind": "error",
        "client": "geth",
        "says": "nonce_too_low",
        "times": "2",
        "methods[]": "eth_chainId",
    }
    first = (await client.post(f"{PATH}/chain/faults", data=form)).json()
    second = await ask(client, "chain/faults", kind="null", network="local")
    for _ in range(3):
        await b.node.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})

    listed = (await client.get(f"{PATH}/chain/faults")).json()["data"]

    assert [(each["id"], each["kind"], each["hits"], each["spent"]) for each in listed] == [
        (first["id"], "error", 2, True),
        (second["id"], "null", 0, False),
    ]
    assert listed[0]["parameters"]["says"] == "nonce_too_low"
    assert (await client.delete(f"{PATH}/chain/faults/{first['id']}")).json()["cleared"] == [first["id"]]
    gone = await client.delete(f"{PATH}/chain/faults/{first['id']}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "resource_missing")
    assert (await client.delete(f"{PATH}/chain/faults")).json()["cleared"] == [second["id"]]
    assert (await client.delete(f"{PATH}/chain/faults")).json()["cleared"] == []


async def test_sandbox_says_not_ready_while_the_node_is_silent_and_can_end_that(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    paused = await ask(client, "chain/pause_rpc", seconds=600)

    assert await refusal(client, "chain/gas_spike", factor=2) == (503, "not_ready", None)
    cleared = await client.delete(f"{PATH}/chain/faults/{paused['fault']}")

    assert cleared.json()["cleared"] == [paused["fault"]]
    await ask(client, "chain/gas_spike", factor=2)


async def test_every_example_of_the_sandbox_works_on_the_local_chain(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    await ask(client, "tokens/faucet", currency="usdt", amount="99.00", to=b.node.accounts[-1].address)
    await ask(client, "chain/mine", blocks=3)
    made = (await client.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdt"})).json()
    for operation in test_helpers.OPERATIONS:
        if operation.method == "POST":
            body = {k: "usdt" if v == "usdc" else v for k, v in operation.example.items()}
            answer = await client.post(operation.path.format(id=made["id"]), json=body)
            code = answer.json().get("error", {}).get("code")
            assert answer.status_code == 200 or code == "transaction_not_waiting", answer.text
            await client.delete(f"{PATH}/chain/faults")


@pytest.mark.slow
async def test_no_value_of_any_parameter_of_the_sandbox_is_our_own_fault(
    b: Bridge, client: httpx.AsyncClient
) -> None:
    made = (await client.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdt"})).json()
    of_faults = {"kind", "methods", "times", "chance", "for_seconds", "drop", "block"}  # what one kind takes
    for operation in test_helpers.OPERATIONS:
        if operation.method == "POST":
            path = operation.path.format(id=made["id"])
            names = {"from" if name == "payer" else name for name in operation.params.model_fields}
            if path.endswith("/faults"):
                names &= of_faults
            for name, value in itertools.product(sorted(names), NASTY):
                body = {k: "usdt" if v == "usdc" else v for k, v in operation.example.items()}
                answer = await client.post(path, json=body | {name: value})
                assert answer.status_code in (200, 400, 403, 409), f"{name}={value!r:.50}: {answer.text}"
                if answer.status_code == 200:
                    await client.delete(f"{PATH}/chain/faults")


def test_what_can_be_triggered_is_what_has_a_recipe() -> None:
    assert set(get_args(EventTrigger.model_fields["type"].annotation)) == set(RECIPES)
