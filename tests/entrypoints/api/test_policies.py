"""Policies over HTTP: versions, what is refused, and what would be said of a payout."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bascule.domain.chain import parse_address
from bascule.storage import approvals
from tests.support.api import Shop
from tests.support.cases import case
from tests.support.money_out_setup import approver

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ASK = {"amount": "100.00", "currency": "usdc", "network": "eip155:31337", "to": PAYEE}
RULES: dict[str, Any] = {
    "approvals": [{"required": 1}, {"above": "50.00", "required": 2}],
    "max_per_payout": "500.00",
    "max_per_day": "900.00",
}


@pytest.fixture
async def desk(shop: Shop) -> str:
    """The operator's key; three people may approve."""
    async with shop.owner.transaction() as conn:
        for number in (1, 2, 3):
            who = parse_address(approver(number).address)
            await approvals.add_approver(conn, shop.operator, who, roster_version=1)
    return (await shop.key(shop.operator)).secret


async def simulate(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    return dict((await client.post("/v1/policies/simulate", json=ASK | changes)).json())


async def test_the_newest_version_rules_and_every_version_stays(shop: Shop, desk: str) -> None:
    async with shop.client(desk) as client:
        first = (await client.post("/v1/policies", json=RULES)).json()
        shop.clock.advance(1)
        second = (await client.post("/v1/policies", json=RULES | {"max_per_payout": "99.99"})).json()
        listed = (await client.get("/v1/policies")).json()["data"]
        denied = await simulate(client)
        allowed = await simulate(client, amount="99.99")

    assert [(p["id"], p["version"], p["in_force"]) for p in listed] == [
        (second["id"], 2, True), (first["id"], 1, False),
    ]  # fmt: skip
    assert (denied["outcome"], denied["code"]) == ("deny", "limit_exceeded")
    assert denied["policy_decision"] == {
        "rule": "max_per_payout",
        "reasons": ["100.000000 would be paid in one payout; the limit is 99.990000."],
        "acts_next": {"actor": "nobody", "approvers": [], "approvals_missing": 0},
    }
    assert (allowed["outcome"], allowed["policy"]) == ("allow", second["id"])


async def test_a_tokens_own_policy_goes_before_the_one_for_all(shop: Shop, desk: str) -> None:
    async with shop.client(desk) as client:
        everything = (await client.post("/v1/policies", json=RULES)).json()
        before = await simulate(client)
        own = {"token": shop.tokens["local"].id, "max_per_payout": "1.00"}
        one = (await client.post("/v1/policies", json=RULES | own)).json()
        after = await simulate(client)

    assert (before["policy"], before["outcome"]) == (everything["id"], "allow")
    assert (after["policy"], after["outcome"]) == (one["id"], "deny")


async def test_a_change_of_policy_is_audited_whole(shop: Shop, desk: str) -> None:
    async with shop.client(desk) as client:
        made = (await client.post("/v1/policies", json=RULES | {"denylist": [PAYEE]})).json()

    async with shop.owner.read() as conn:
        found = await conn.execute("SELECT actor, details FROM audit_log WHERE action = 'policy.set'")
        [(actor, details)] = await found.fetchall()
    assert actor == made["created_by"]
    assert (details["denylist"], details["max_per_day"]) == ([PAYEE], "900.000000")


async def test_a_dry_run_says_who_must_act_next_and_writes_nothing(shop: Shop, desk: str) -> None:
    async with shop.client(desk) as client:
        await client.post("/v1/policies", json=RULES | {"approvers": [approver(n).address for n in (1, 3)]})
        before = await shop.rows()
        said = await simulate(client)
        tried = await simulate(client, rules={"approvals": [{"required": 3}]})
        named = await client.post("/v1/policies/simulate", json=ASK | {"mandate": "mnd_0", "kind": "refund"})

    assert (said["outcome"], said["approvals_required"]) == ("allow", 2)
    assert set(said["approvers"]) == {approver(1).address, approver(3).address}
    assert said["policy_decision"]["acts_next"] == {
        "actor": "approvers", "approvers": said["approvers"], "approvals_missing": 2,
    }  # fmt: skip
    assert (tried["outcome"], tried["policy"], tried["approvals_required"]) == ("allow", None, 3)
    assert (named.status_code, named.json()["error"]["code"]) == (400, "mandate_unknown")
    assert await shop.rows() == before


async def test_what_the_operator_denies_nobody_pays(shop: Shop, desk: str) -> None:
    async with shop.client(desk) as client:
        await client.post("/v1/policies", json=RULES | {"denylist": [PAYEE.lower()]})
    async with shop.client() as merchant:
        await merchant.post("/v1/policies", json=RULES)
        said = await simulate(merchant)

    assert said["code"] == "destination_denylisted"
    assert said["policy_decision"]["reasons"][0] == f"{PAYEE} is on the operator's denylist."


async def test_test_mode_says_nothing_of_live_money(shop: Shop) -> None:
    async with shop.client() as client, shop.client(shop.live_secret) as live:
        await client.post("/v1/policies", json=RULES)
        assert (await live.get("/v1/policies")).json()["data"] == []
        refused = await live.post("/v1/policies", json=RULES | {"token": shop.tokens["local"].id})

    assert refused.json()["error"]["code"] == "token_unknown"


SENSELESS: list[tuple[dict[str, Any], str, str]] = [
    ({"approvals": []}, "parameter_invalid", "approvals"),
    ({"approvals": [{"required": 0}]}, "parameter_invalid", "approvals[0][required]"),
    ({"approvals": [{"above": "5.00", "required": 1}]}, "policy_invalid", "approvals"),
    ({"approvals": [{"required": 1}, {"required": 2}]}, "policy_invalid", "approvals"),
    ({"max_per_day": "5"}, "amount_decimal_point_required", "max_per_day"),
    ({"max_per_day": 5}, "amount_not_string", "max_per_day"),
    ({"velocity": {"count": 1}}, "parameter_missing", "velocity[seconds]"),
    ({"denylist": ["0x12"]}, "address_invalid", "denylist[0]"),
    ({"approvers": [PAYEE]}, "approver_unknown", "approvers"),
    ({"token": "tok_nothing"}, "token_unknown", "token"),
    ({"max_per_hour": "5.00"}, "parameter_unknown", "max_per_hour"),
]


async def test_a_policy_that_makes_no_sense_is_refused_by_name(shop: Shop, desk: str) -> None:
    before = await shop.rows()

    async with shop.client(desk) as client:
        for changes, code, param in SENSELESS:
            with case(changes):
                answer = await client.post("/v1/policies", json=RULES | changes)

                error = answer.json()["error"]
                assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
                assert await shop.rows() == before
