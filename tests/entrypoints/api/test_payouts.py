"""Payouts over HTTP: asked for, approved by people's signatures, listed, called off."""

from __future__ import annotations

from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.support.api import FACTORY, VAULT, Shop
from tests.support.cases import case
from tests.support.money_out_setup import approver

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BODY = {"amount": "100.00", "currency": "usdc", "network": "eip155:31337", "to": PAYEE}


async def ask(client: httpx.AsyncClient, key: str = "k1", **changes: Any) -> httpx.Response:
    return await client.post("/v1/payouts", json=BODY | changes, headers={"idempotency-key": key})


async def approve(client: httpx.AsyncClient, payout: dict[str, Any], number: int, **changes: Any) -> Any:
    """What a person's wallet does: signs the typed data that the API shows."""
    person = approver(number)
    signed = Account.sign_message(
        encode_typed_data(full_message=payout["next_action"]["typed_data"]), person.private_key
    )
    body = {"approver": person.address, "signature": "0x" + bytes(signed.signature).hex()} | changes
    return await client.post(
        f"/v1/payouts/{payout['id']}/approve", json=body, headers={"idempotency-key": f"approve-{number}"}
    )


async def test_two_approvals_by_different_people_put_the_money_on_hold(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        payout = (await ask(client)).json()
        once = (await approve(client, payout, 1)).json()
        again = (await approve(client, payout, 1)).json()
        twice = (await approve(client, payout, 3)).json()
        balance = (await client.get("/v1/balance")).json()
        read = (await client.get(f"/v1/payouts/{payout['id']}")).json()

    assert (payout["status"], payout["approvals"], payout["approvals_required"]) == ("requires_action", [], 2)
    assert (once["status"], again["approvals"]) == ("requires_action", once["approvals"])
    assert (twice["status"], len(twice["approvals"]), twice["next_action"]) == ("pending", 2, None)
    assert balance["held"][0]["amount"] == "100.000000"
    assert balance["available"][0]["amount"] == "900.000000"
    assert read == twice


async def test_a_stranger_and_a_signature_of_something_else_are_refused(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        payout = (await ask(client)).json()
        other = (await ask(client, "k2", amount="200.00")).json()
        before = await shop.rows()
        stranger = await approve(client, payout, 9)
        elsewhere = await approve(client, payout | {"next_action": other["next_action"]}, 1)
        malformed = await approve(client, payout, 1, signature="0x12")
        misspelt = await approve(client, payout, 1, approver=approver(1).address.lower().replace("a", "A"))

    assert (stranger.status_code, stranger.json()["error"]["code"]) == (403, "approver_unknown")
    assert elsewhere.json()["error"]["code"] == "signature_mismatch"
    assert (malformed.json()["error"]["code"], malformed.json()["error"]["param"]) == (
        "parameter_invalid", "signature",
    )  # fmt: skip
    assert misspelt.json()["error"]["code"] == "address_checksum_mismatch"
    assert await shop.rows() == before


NOT_ALLOWED: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": "600.00"}, "limit_exceeded", "amount"),
    ({"amount": "100"}, "amount_decimal_point_required", "amount"),
    ({"amount": "0.00"}, "amount_too_small", "amount"),
    ({"amount": "1.0000001"}, "amount_too_precise", "amount"),
    ({"amount": 100}, "amount_not_string", "amount"),
    ({"amount": "999999999999999999.00", "currency": "usdc"}, "limit_exceeded", "amount"),
    ({"network": "base"}, "parameter_invalid", "network"),
    ({"to": "0x12"}, "address_invalid", "to"),
    ({"to": "0x" + "00" * 20}, "address_invalid", "to"),
    ({"to": "0x" + PAYEE[2:].swapcase()}, "address_checksum_mismatch", "to"),
    ({"to": "0x" + FACTORY.hex()}, "destination_is_ours", "to"),
    ({"to": "wal_00000000000000000000000000"}, "destination_unknown", "to"),
    ({"network": "eip155:1"}, "network_unsupported", "network"),
    ({"currency": "eurc"}, "token_unsupported", "currency"),
    ({"to": "0x" + VAULT.hex()}, "destination_is_ours", "to"),
    ({"to": "0x" + "c0" * 20}, "destination_is_token_contract", "to"),
    ({"token": "tok_nothing"}, "token_unsupported", "token"),
]


async def test_a_payout_that_may_not_be_is_refused_and_nothing_is_written(shop: Shop, treasury: str) -> None:
    before = await shop.rows()

    async with shop.client(treasury) as client:
        for changes, code, param in NOT_ALLOWED:
            with case(changes):
                answer = await ask(client, **changes)

                error = answer.json()["error"]
                assert (answer.status_code, error["code"], error["param"]) == (400, code, param), answer.text
                assert await shop.rows() == before


async def test_a_client_reference_pays_once_whatever_the_key(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        first = (await ask(client, "k1", client_reference_id="invoice-1")).json()
        same = (await ask(client, "k2", client_reference_id="invoice-1")).json()
        other = await ask(client, "k3", client_reference_id="invoice-1", amount="101.00")

    assert same["id"] == first["id"]
    assert (other.status_code, other.json()["error"]["code"]) == (409, "payout_identity_used")
    assert (await shop.rows())["payouts"] == 1


async def test_payouts_are_called_off_turned_down_and_listed(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        made = []
        for place in range(3):
            made.append((await ask(client, f"k{place}", amount=f"{place + 1}.00")).json())
            shop.clock.advance(1)
        canceled = (await client.post(f"/v1/payouts/{made[0]['id']}/cancel")).json()
        rejected = (await client.post(f"/v1/payouts/{made[1]['id']}/reject")).json()
        again = await client.post(f"/v1/payouts/{made[1]['id']}/reject")
        everything = (await client.get("/v1/payouts")).json()["data"]
        waiting = (await client.get("/v1/payouts?status=requires_action")).json()["data"]
        to_payee = (await client.get(f"/v1/payouts?to={PAYEE}&limit=1")).json()

    assert (canceled["status"], rejected["status"]) == ("canceled", "canceled")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "payout_unexpected_state")
    assert [each["id"] for each in everything] == [each["id"] for each in made[::-1]]
    assert [each["id"] for each in waiting] == [made[2]["id"]]
    assert to_payee["has_more"] is True


async def test_another_accounts_payout_does_not_exist(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        payout = (await ask(client)).json()
    before = await shop.rows()

    async with shop.client() as stranger:
        answers = [
            await stranger.get(f"/v1/payouts/{payout['id']}"),
            await approve(stranger, payout, 1),
            await stranger.post(f"/v1/payouts/{payout['id']}/reject"),
            await stranger.post(f"/v1/payouts/{payout['id']}/cancel"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await shop.rows() == before


async def test_a_payee_may_be_named_to_or_destination_but_not_both(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        renamed = await client.post(
            "/v1/payouts",
            json={k: v for k, v in BODY.items() if k != "to"} | {"destination": PAYEE},
            headers={"Idempotency-Key": "by-destination"},
        )
        both = await ask(client, destination=PAYEE)

    assert (renamed.status_code, renamed.json()["to"]) == (200, PAYEE), renamed.text
    assert both.json()["error"]["code"] == "parameter_unknown"
