"""Payout batches over HTTP: reported line by line, made whole or not at all, approved by one signature."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.chain import Address, checksum
from bascule.domain.hashing import keccak
from tests.support.api import VAULT, Shop
from tests.support.money_out_setup import approver

NET = "eip155:31337"
HEADER = "network,currency,amount,to,client_reference_id\n"


def payee(number: int) -> str:
    return checksum(Address(keccak(b"batch payee %d" % number)[12:]))


def line(amount: str, to: str | None = None, *, net: str = NET, currency: str = "usdc", ref: str = "") -> str:
    return f"{net},{currency},{amount},{to or payee(1)},{ref}\n"


FILE = HEADER + "".join(line(f"{n}.00", payee(n)) for n in (1, 2, 3))


async def send(client: httpx.AsyncClient, text: str | bytes, key: str = "b1", **query: Any) -> httpx.Response:
    headers = {"content-type": "text/csv", "idempotency-key": key}
    return await client.post("/v1/payout_batches", content=text, params=query, headers=headers)


async def approve(client: httpx.AsyncClient, batch: dict[str, Any], number: int, **changes: Any) -> Any:
    person = approver(number)
    typed = changes.pop("typed_data", None) or batch["next_action"]["typed_data"]
    signed = Account.sign_message(encode_typed_data(full_message=typed), person.private_key)
    body = {"approver": person.address, "signature": "0x" + bytes(signed.signature).hex()} | changes
    headers = {"idempotency-key": f"approve-{batch['id']}-{number}-{len(changes)}"}
    return await client.post(f"/v1/payout_batches/{batch['id']}/approve", json=body, headers=headers)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_a_file_becomes_a_batch_that_one_signature_each_approves(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        batch = (await send(client, FILE)).json()
        once = (await approve(client, batch, 1)).json()
        done = (await approve(client, batch, 3)).json()
        items = (await client.get(f"/v1/payout_batches/{batch['id']}/items")).json()["data"]
        balance = (await client.get("/v1/balance")).json()
        listed = (await client.get("/v1/payout_batches?status=processing")).json()["data"]

    assert (batch["status"], batch["count"], batch["totals"][0]["amount"]) == (
        "requires_action",
        3,
        "6.000000",
    )
    assert len(batch["next_action"]["typed_data"]["message"]["items"]) == 3
    assert (once["status"], len(once["approvals"])) == ("requires_action", 1)
    assert (done["status"], done["progress"]["pending"], done["next_action"]) == ("processing", 3, None)
    assert [(each["amount"], each["status"]) for each in items] == [
        ("1.000000", "pending"), ("2.000000", "pending"), ("3.000000", "pending"),
    ]  # fmt: skip
    assert {each["batch"] for each in items} == {batch["id"]}
    assert balance["held"][0]["amount"] == "6.000000"
    assert [each["id"] for each in listed] == [batch["id"]]


async def test_a_dry_run_tells_every_line_and_writes_nothing(shop: Shop, treasury: str) -> None:
    text = HEADER + line("1.00", ref="=HYPERLINK()") + line("2,00;", payee(2)) + line("3.00", "0x12")
    before = await shop.rows()
    async with shop.client(treasury) as client:
        report = (await send(client, text.replace("2,00;", '"2,00"'), dry_run=True)).json()
        fine = (await send(client, FILE, "b2", dry_run="true")).json()

    assert (report["id"], report["status"], report["count"]) == (None, "invalid", 1)
    assert [(e["line"], e["column"], e["code"], e["value"]) for e in report["errors"]] == [
        (3, "amount", "amount_decimal_comma", "2,00"), (4, "to", "address_invalid", "0x12"),
    ]  # fmt: skip
    assert (fine["status"], fine["count"], fine["approvals_required"]) == ("requires_action", 3, 2)
    after = await shop.rows()
    assert after | {"idempotency_keys": 0} == before | {"idempotency_keys": 0}


LINES: dict[str, tuple[str, int, str | None, str]] = {
    "amount without a point": (line("1"), 2, "amount", "amount_decimal_point_required"),
    "decimal comma": (line('"1,50"'), 2, "amount", "amount_decimal_comma"),
    "power of ten": (line("1e2"), 2, "amount", "amount_scientific"),
    "thousands": (line('"1,000.00"'), 2, "amount", "amount_grouped"),
    "seven digits": (line("1.0000001"), 2, "amount", "amount_too_precise"),
    "nothing": (line("0.00"), 2, "amount", "amount_too_small"),
    "less than nothing": (line("-1.00"), 2, "amount", "amount_too_small"),
    "no amount": (line(""), 2, "amount", "parameter_missing"),
    "formula": (line("=1+1"), 2, "amount", "parameter_invalid"),
    "beyond any token": (line("9" * 19 + ".00"), 2, "amount", "amount_too_large"),
    "over the limit": (line("500.000001"), 2, "amount", "limit_exceeded"),
    "over the day": (
        line("500.00") + line("500.00", ref="b") + line("0.01", ref="c"), 4, "amount", "limit_exceeded",
    ),
    "wrong checksum": (line("1.00", "0x" + payee(1)[2:].swapcase()), 2, "to", "address_checksum_mismatch"),
    "no address": (line("1.00", "0x1"), 2, "to", "address_invalid"),
    "zero address": (line("1.00", "0x" + "00" * 20), 2, "to", "address_invalid"),
    "vault": (line("1.00", "0x" + VAULT.hex()), 2, "to", "destination_is_ours"),
    "token": (line("1.00", "0x" + "c0" * 20), 2, "to", "destination_is_token_contract"),
    "no such entry": (line("1.00", "wal_nobody"), 2, "to", "destination_unknown"),
    "no such currency": (line("1.00", currency="eurc"), 2, "currency", "token_unsupported"),
    "no such network": (line("1.00", net="eip155:1"), 2, "network", "network_unsupported"),
    "not a network": (line("1.00", net="base"), 2, "network", "parameter_invalid"),
    "two networks": (line("1.00") + line("1.00", net="eip155:31338"), 3, "network", "batch_network_mismatch"),
    "twice the same": (line("1.00") + line("1.00"), 3, None, "duplicate_line"),
    "twice a reference": (
        line("1.00", ref="a") + line("2.00", ref="a"), 3, "client_reference_id", "duplicate_reference",
    ),
    "cells missing": (f"{NET},usdc,1.00\n", 2, None, "line_width"),
    "reference too long": (line("1.00", ref="x" * 256), 2, "client_reference_id", "parameter_invalid"),
}  # fmt: skip


async def test_a_wrong_line_is_named_and_nothing_is_made(shop: Shop, treasury: str) -> None:
    before = await shop.rows()
    async with shop.client(treasury) as client:
        for name, (text, number, _, _) in LINES.items():
            refused = await send(client, HEADER + text)
            assert (refused.status_code, code(refused)) == (400, "batch_invalid"), (name, refused.text)
            assert f"line {number}" in refused.json()["error"]["message"], name
        assert await shop.rows() == before
        for name, (text, number, column, said) in LINES.items():
            report = (
                await send(client, HEADER + text, f"dry-{number}-{said}-{len(text)}", dry_run=True)
            ).json()
            told = [(each["line"], each["column"], each["code"]) for each in report["errors"]]
            assert told == [(number, column, said)], name


FILES = [
    (b"", "file_empty"),
    (b"\xff\xfea", "file_not_utf8"),
    (HEADER.encode() + b"\xff", "file_not_utf8"),
    (HEADER.encode() + b"\x00", "file_nul"),
    (b"to,amount\n", "file_header_missing"),
    (b"what\n", "file_header_unknown"),
    (b"to,to\n", "file_header_twice"),
    (HEADER.encode(), "file_without_lines"),
    (HEADER.encode() + b'"', "file_malformed"),
    (HEADER.encode() + b"a" * (4 * 1024 * 1024), "file_too_large"),
    (HEADER.encode() * 2, "batch_invalid"),
]


async def test_a_file_that_is_none_is_refused_by_its_own_code(shop: Shop, treasury: str) -> None:
    before = await shop.rows()
    async with shop.client(treasury) as client:
        for body, said in FILES:
            answer = await send(client, body)
            assert (answer.status_code, code(answer)) == (400, said), answer.text
        other = await client.post(
            "/v1/payout_batches", content=b"x", headers={"content-type": "text/plain", "idempotency-key": "t"}
        )

    assert (other.status_code, code(other)) == (415, "content_type_unsupported")
    assert await shop.rows() == before


async def test_best_effort_leaves_wrong_lines_out_by_name(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        batch = (await send(client, FILE + line("7", payee(7)), mode="best_effort")).json()

    assert (batch["count"], batch["totals"][0]["amount"]) == (3, "6.000000")
    assert [(e["line"], e["code"]) for e in batch["errors"]] == [(5, "amount_decimal_point_required")]


async def test_a_file_sent_again_pays_nothing_again(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        first = (await send(client, FILE, "b1")).json()
        replayed = await send(client, FILE, "b1")
        same_key = await send(client, FILE, "b2", batch_key="b1")
        other_key = await send(client, FILE, "b3", dry_run=True)
        named = HEADER + line("1.00", payee(8), ref="salary-8")
        await send(client, named, "b4")
        again = await send(client, named, "b5", dry_run=True)

    assert replayed.json()["id"] == first["id"]
    assert (same_key.status_code, code(same_key)) == (409, "payout_batch_identity_used")
    assert {e["code"] for e in other_key.json()["errors"]} == {"duplicate_payout"}
    assert [e["code"] for e in again.json()["errors"]] == ["payout_identity_used"]
    assert (await shop.rows())["payouts"] == 4


async def test_lines_together_exceed_no_balance(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        await client.post("/v1/policies", json={
            "approvals": [{"required": 1}, {"above": "900.00", "required": 3}],
            "token": shop.tokens["local"].id,
        })  # fmt: skip
        text = HEADER + line("600.00") + line("400.00", payee(2)) + line("0.01", payee(3))
        report = (await send(client, text, dry_run=True)).json()

    assert [(e["line"], e["code"]) for e in report["errors"]] == [(4, "balance_insufficient")]
    assert report["approvals_required"] == 3  # by the sum: lines do not lower the tier


async def test_json_items_are_checked_as_lines_are(shop: Shop, treasury: str) -> None:
    item = {"amount": "1.00", "currency": "usdc", "network": NET, "to": payee(1)}
    async with shop.client(treasury) as client:
        answer = await client.post(
            "/v1/payout_batches",
            json={"items": [item, item | {"amount": 2}], "dry_run": True},
            headers={"idempotency-key": "j"},
        )
        nothing = await client.post("/v1/payout_batches", json={}, headers={"idempotency-key": "n"})
        template = (await client.get("/v1/payout_batches/template")).json()

    assert [(e["line"], e["column"], e["code"]) for e in answer.json()["errors"]] == [
        (2, "amount", "amount_not_string")
    ]
    assert code(nothing) == "parameter_missing"
    assert template["csv"].startswith("network,currency,amount,to")


async def test_an_approval_of_something_else_approves_nothing(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        batch = (await send(client, FILE)).json()
        typed = batch["next_action"]["typed_data"]
        before = await shop.rows()
        wrong = []
        for change in (
            {"domain": typed["domain"] | {"chainId": 1}},
            {"domain": typed["domain"] | {"verifyingContract": payee(1)}},
            {"message": typed["message"] | {"expiry": "9999999999"}},
            {"message": typed["message"] | {"items": [
                typed["message"]["items"][0] | {"amount": "999"}, *typed["message"]["items"][1:]]}},
        ):  # fmt: skip
            wrong.append(code(await approve(client, batch, 1, typed_data=typed | change)))
        stranger = await approve(client, batch, 9)
        assert await shop.rows() == before
        first = (await approve(client, batch, 1)).json()
        replayed = (await approve(client, batch, 1)).json()

    assert wrong == ["signature_mismatch"] * 4
    assert code(stranger) == "approver_unknown"
    assert len(first["approvals"]) == len(replayed["approvals"]) == 1


async def test_who_sent_the_file_cannot_approve_it(shop: Shop, treasury: str) -> None:
    maker = bytes.fromhex(approver(1).address[2:])
    async with shop.client((await shop.key(shop.operator, holder=maker)).secret) as client:
        batch = (await send(client, FILE)).json()
        own = await approve(client, batch, 1)

    assert approver(1).address not in batch["next_action"]["approvers"]
    assert (own.status_code, code(own)) == (403, "approver_is_requester")


async def test_approval_and_cancel_at_one_instant_leave_one_winner(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        for turn in range(3):
            text = HEADER + line(f"1.0{turn}", payee(turn))
            batch = (await send(client, text, f"turn-{turn}")).json()
            await approve(client, batch, 1)
            both = await asyncio.gather(
                approve(client, batch, 2), client.post(f"/v1/payout_batches/{batch['id']}/cancel")
            )
            now = (await client.get(f"/v1/payout_batches/{batch['id']}")).json()

            assert sorted(answer.status_code for answer in both) == [200, 409]
            won = "processing" if both[0].status_code == 200 else "canceled"
            assert now["status"] == won
            assert now["progress"]["pending" if won == "processing" else "canceled"] == 1


async def test_a_change_of_policy_takes_the_batch_out_of_date(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        batch = (await send(client, FILE)).json()
        await client.post("/v1/policies", json={
            "approvals": [{"required": 2}], "denylist": [payee(2)], "token": shop.tokens["local"].id,
        })  # fmt: skip
        refused = await approve(client, batch, 1)
        canceled = (await client.post(f"/v1/payout_batches/{batch['id']}/cancel")).json()
        again = await client.post(f"/v1/payout_batches/{batch['id']}/cancel")

    assert (refused.status_code, code(refused)) == (409, "batch_out_of_date")
    assert (canceled["status"], canceled["progress"]["canceled"]) == ("canceled", 3)
    assert code(again) == "payout_batch_unexpected_state"


async def test_another_accounts_batch_does_not_exist(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        batch = (await send(client, FILE)).json()
    async with shop.client() as stranger:
        answers = [
            await stranger.get(f"/v1/payout_batches/{batch['id']}"),
            await stranger.get(f"/v1/payout_batches/{batch['id']}/items"),
            await approve(stranger, batch, 1),
            await stranger.post(f"/v1/payout_batches/{batch['id']}/cancel"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 4
