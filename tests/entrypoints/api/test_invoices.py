"""Invoices by HTTP: written, made final, called off; numbers without holes; the page of each."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import psycopg
import pytest

from bascule.storage import invoices, payment_intents
from tests.support.api import START, Shop
from tests.support.cases import case

NOW = int(START.timestamp())
DAY = 86_400
LINES = [
    {"description": "Two <b>lamps</b>", "quantity": 2, "unit_amount": "80.00", "tax_rate_bps": 1900},
    {"description": "Book", "unit_amount": "10.05", "tax_rate_bps": 700},
]
REFUSED = (
    psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation, psycopg.errors.RaiseException,
)  # fmt: skip
DRAFT: dict[str, Any] = {"currency": "usdc", "lines": LINES, "tax_name": "VAT"}


async def posted(client: Any, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post(f"/v1/{path}", json=body)
    return response.status_code, response.json()


def code_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str | None]:
    status, body = answer
    return status, body["error"]["code"], body["error"]["param"]


async def final(client: Any, **draft: Any) -> dict[str, Any]:
    _, made = await posted(client, "invoices", **DRAFT | draft)
    status, invoice = await posted(client, f"invoices/{made['id']}/finalize")
    assert status == 200, invoice
    return invoice


async def test_a_draft_is_changed_then_final_and_its_intent_asks_for_exactly_its_total(shop: Shop) -> None:
    async with shop.client() as client:
        _, draft = await posted(client, "invoices", **DRAFT, metadata={"order": "1", "by": "me"})
        path = f"invoices/{draft['id']}"
        _, changed = await posted(
            client, path, customer={"name": "Ada"}, metadata={"by": "", "of": "x"}, due_at=NOW + 60 * DAY
        )
        _, invoice = await posted(client, f"{path}/finalize", policy={"underpay_tolerance_bps": 50})
        intent = (await client.get(f"/v1/payment_intents/{invoice['payment_intent']}")).json()
        again = await posted(client, f"{path}/finalize")
        late = await posted(client, path, description="other")
        canceled = await posted(client, f"payment_intents/{intent['id']}/cancel")
        listed = (await client.get("/v1/invoices?status=open&type=customer")).json()["data"]

    assert (draft["status"], draft["number"], draft["payment_intent"]) == ("draft", None, None)
    assert (draft["subtotal"], draft["tax"], draft["total"]) == ("170.050000", "31.100000", "201.150000")
    assert draft["taxes"] == [
        {"rate_bps": 700, "taxable": "10.050000", "amount": "0.700000"},
        {"rate_bps": 1900, "taxable": "160.000000", "amount": "30.400000"},
    ]
    assert (changed["customer"]["name"], changed["metadata"]) == ("Ada", {"order": "1", "of": "x"})
    assert (changed["lines"], changed["version"]) == (draft["lines"], 2)
    assert (invoice["status"], invoice["number"]) == ("open", "TEST-INV-000001")
    assert (invoice["seller"]["name"], invoice["amount_remaining"]) == ("Merchant", "201.150000")
    assert (intent["amount"], intent["invoice"]) == ("201.150000", invoice["id"])
    assert (intent["expires_at"], intent["closes_at"]) == (NOW + 60 * DAY, NOW + 150 * DAY)
    assert (intent["description"], intent["policy"]["underpay_tolerance_bps"]) == (
        "Invoice TEST-INV-000001", 50,
    )  # fmt: skip
    assert code_of(again) == code_of(late) == (409, "invoice_unexpected_state", None)
    assert code_of(canceled) == (409, "payment_intent_of_invoice", "id")
    assert listed == [invoice]


async def test_numbers_have_no_holes_however_many_are_made_at_once_and_some_fail(shop: Shop) -> None:
    async with shop.client() as client, shop.client(shop.rival_secret) as rival:
        drafts = [(await posted(client, "invoices", **DRAFT))[1]["id"] for _ in range(5)]
        unpayable = (await posted(client, "invoices", **DRAFT | {"currency": "eurc"}))[1]["id"]
        answers = await asyncio.gather(
            *(posted(client, f"invoices/{id}/finalize") for id in (*drafts, *drafts, unpayable))
        )
        other = await final(rival)
        _, voided = await posted(client, f"invoices/{drafts[0]}/void")
        later = await final(client)

    assert sorted(status for status, _ in answers) == [200] * 5 + [400] + [409] * 5
    assert code_of(answers[-1]) == (400, "currency_unsupported", "currency")
    numbers = sorted(body["number"] for status, body in answers if status == 200)
    assert numbers == [f"TEST-INV-{n:06d}" for n in range(1, 6)]
    assert (other["number"], later["number"]) == ("TEST-INV-000001", "TEST-INV-000006")
    assert (voided["status"], voided["number"] in numbers) == ("void", True)


async def test_void_takes_the_intent_along_and_ends_everything(shop: Shop) -> None:
    async with shop.client() as client:
        invoice = await final(client)
        path = f"invoices/{invoice['id']}"
        _, lost = await posted(client, f"{path}/mark_uncollectible")
        _, voided = await posted(client, f"{path}/void")
        ends = [await posted(client, f"{path}/{step}") for step in ("void", "finalize", "mark_uncollectible")]
        intent = (await client.get(f"/v1/payment_intents/{invoice['payment_intent']}")).json()
        draft = (await posted(client, "invoices", **DRAFT))[1]["id"]
        _, dropped = await posted(client, f"invoices/{draft}/void")

    assert (lost["status"], voided["status"]) == ("uncollectible", "void")
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "void_invoice")
    assert [code_of(each)[:2] for each in ends] == [(409, "invoice_unexpected_state")] * 3
    assert (dropped["status"], dropped["number"]) == ("void", None)
    events = await told(shop, invoice["id"])
    assert events == ["created", "finalized", "marked_uncollectible", "voided"]


async def test_money_on_its_way_keeps_an_invoice_from_being_called_off(shop: Shop) -> None:
    async with shop.client() as client:
        invoice = await final(client)
        await shop.run("UPDATE payment_intents SET state = 'processing'")
        refused = await posted(client, f"invoices/{invoice['id']}/void")

    assert code_of(refused) == (409, "invoice_being_paid", None)


async def test_who_pays_and_who_calls_off_at_once_take_turns_and_the_first_one_counts(shop: Shop) -> None:
    async with shop.client() as client:
        invoice = await final(client)
        async with shop.owner.transaction() as conn:
            await payment_intents.lock(conn, invoice["payment_intent"])
            voiding = asyncio.create_task(posted(client, f"invoices/{invoice['id']}/void"))
            for _ in range(200):
                waits = await conn.execute("SELECT FROM pg_locks WHERE NOT granted")
                if waits.rowcount:
                    break
                await asyncio.sleep(0.01)
            assert waits.rowcount, "who calls off waits for who pays"
            await conn.execute("UPDATE payment_intents SET state = 'succeeded', succeeded_at = now()")
            await invoices.advance_to_paid(conn, [invoice["id"]], shop.clock.now())
        refused = await voiding
        ended = (await client.get(f"/v1/invoices/{invoice['id']}")).json()

    assert code_of(refused) == (409, "invoice_unexpected_state", None)
    assert (ended["status"], ended["amount_remaining"]) == ("paid", "0.000000")


async def test_what_is_wrong_with_an_invoice_is_said_by_name_and_nothing_is_kept(shop: Shop) -> None:
    line = LINES[1]
    wrong: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
        ({"lines": [line, line | {"unit_amount": 10}]}, (400, "amount_not_string", "lines[1][unit_amount]")),
        (
            {"lines": [line | {"unit_amount": "10"}]},
            (400, "amount_decimal_point_required", "lines[0][unit_amount]"),
        ),
        ({"lines": [line | {"unit_amount": "-1.00"}]}, (400, "amount_too_small", "lines[0][unit_amount]")),
        ({"lines": [line | {"quantity": 0}]}, (400, "parameter_invalid", "lines[0][quantity]")),
        ({"lines": [line | {"tax_rate_bps": 10_001}]}, (400, "parameter_invalid", "lines[0][tax_rate_bps]")),
        ({"lines": [line | {"description": ""}]}, (400, "parameter_invalid", "lines[0][description]")),
        ({"lines": [line | {"discount": "1.00"}]}, (400, "parameter_unknown", "lines[0][discount]")),
        ({"lines": [line] * 51}, (400, "parameter_invalid", "lines")),
        (
            {"lines": [line | {"unit_amount": f"{'9' * 18}.00", "quantity": 2}]},
            (400, "amount_too_large", "lines"),
        ),
        ({"due_at": NOW}, (400, "parameter_invalid", "due_at")),
        ({"due_at": NOW + 91 * DAY}, (400, "parameter_invalid", "due_at")),
        ({"currency": "US Dollars"}, (400, "parameter_invalid", "currency")),
        ({"number": "7"}, (400, "parameter_unknown", "number")),
    ]  # fmt: skip
    async with shop.client() as client, shop.client(shop.rival_secret) as rival:
        for change, expected in wrong:
            with case(str(change)):
                assert code_of(await posted(client, "invoices", **DRAFT | change)) == expected
        assert (await client.get("/v1/invoices")).json()["data"] == []
        _, empty = await posted(client, "invoices", currency="usdc", due_at=NOW + 10)
        for step in ("finalize", "void", "mark_uncollectible"):
            stranger = await posted(rival, f"invoices/{empty['id']}/{step}")
            assert code_of(stranger) == (404, "resource_missing", "id")
        assert code_of(await posted(client, f"invoices/{empty['id']}/finalize")) == (
            400, "parameter_missing", "lines",
        )  # fmt: skip
        await posted(client, f"invoices/{empty['id']}", lines=LINES)
        shop.clock.advance(10)
        assert code_of(await posted(client, f"invoices/{empty['id']}/finalize")) == (
            400, "parameter_invalid", "due_at",
        )  # fmt: skip
    assert (await shop.rows())["payment_intents"] == 0


async def test_a_final_invoice_stands_in_the_database_and_is_paid_by_its_intent_alone(shop: Shop) -> None:
    async with shop.client() as client:
        invoice = await final(client)
    statements = (
        "UPDATE invoices SET total = total + 1, subtotal = subtotal + 1",
        "UPDATE invoices SET lines = '[]', subtotal = 0, tax = 0, total = 0",
        'UPDATE invoices SET customer = \'{"name": "Eve"}\'',
        "UPDATE invoices SET due_at = now() + interval '1 year'",
        "UPDATE invoices SET state = 'draft', finalized_at = NULL",
        "UPDATE invoices SET state = 'paid', paid_at = now()",
        "UPDATE invoices SET state = 'void', voided_at = now()",
        "UPDATE invoices SET number = 7",
        "UPDATE invoice_numbers SET newest = 0",
        "DELETE FROM invoices",
        "UPDATE payment_intents SET due = 1",
    )
    for db in (shop.api, shop.worker, shop.owner):
        for statement in statements:
            if db is shop.owner and "invoice_numbers" in statement:
                continue  # its owner may; a second invoice with the number is refused
            with case(statement), pytest.raises(REFUSED):
                async with db.transaction() as conn:
                    await conn.execute(statement.encode())
    async with shop.client() as client:
        assert (await client.get(f"/v1/invoices/{invoice['id']}")).json() == invoice


async def test_the_page_says_who_owes_what_and_how_it_is_paid_and_a_draft_has_none(shop: Shop) -> None:
    async with shop.client() as client:
        draft = (await posted(client, "invoices", **DRAFT))[1]["id"]
        invoice = await final(
            client,
            customer={"name": "Ada", "address": "1 Lane\nTown"},
            seller_details="VAT no. 7",
            due_at=NOW + DAY,
        )
        pages = [await client.get(f"/i/{id}") for id in (draft, "in_" + "0" * 26, "nothing")]
        shown = await client.get(f"/i/{invoice['id']}")
        async with shop.owner.transaction() as conn:
            await conn.execute("UPDATE payment_intents SET flags = '{held}'")
        held = await client.get(f"/i/{invoice['id']}")
        async with shop.owner.transaction() as conn:
            await conn.execute("UPDATE payment_intents SET flags = '{}'")
        shop.clock.advance(DAY)
        overdue = await client.get(f"/i/{invoice['id']}")
        await posted(client, f"invoices/{invoice['id']}/void")
        void = await client.get(f"/i/{invoice['id']}")

    assert {(page.status_code, "There is no such invoice" in page.text) for page in pages} == {(404, True)}
    for words in (
        "TEST-INV-000001", "Two &lt;b&gt;lamps&lt;/b&gt;", "VAT 19 % of 160.00", "201.15",
        "Ada\n1 Lane\nTown", "Merchant\nVAT no. 7", "To be paid", "Test mode: no real money",
        f'href="/c/{invoice["payment_intent"]}"',
    ):  # fmt: skip
        assert words in shown.text, words
    assert "do not pay again" in held.text, "money has come that screening looks at"
    assert "Pay 201.15" in shown.text
    assert "Pay 201.15" not in held.text
    assert "This invoice is overdue" in overdue.text
    assert "Do not pay it" in void.text
    assert "/c/" not in void.text
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert not re.search(r"<[^>]* (style|on\w+)=|<script", shown.text)
    assert re.findall(r'(?:src|href)="(?!/|#|data:,)([^"]*)"', shown.text) == []


async def told(shop: Shop, invoice_id: str) -> list[str]:
    async with shop.owner.read() as conn:
        rows = await conn.execute("SELECT type FROM outbox WHERE object_id = %s ORDER BY id", [invoice_id])
        return [row[0].removeprefix("invoice.") for row in await rows.fetchall()]
