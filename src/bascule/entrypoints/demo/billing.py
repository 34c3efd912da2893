"""The act of an invoice: written, made final with its number, and paid by its payment intent."""

from __future__ import annotations

from bascule.entrypoints.demo.stage import Stage, check, due
from bascule.entrypoints.dev.wallet import receipt

LINES = [
    {"description": "Lamp, oak", "quantity": 3, "unit_amount": "12.50", "tax_rate_bps": 1900},
    {"description": "Delivery", "quantity": 1, "unit_amount": "4.00", "tax_rate_bps": 700},
]


async def play(stage: Stage) -> None:
    """Sums and number, the page, the payment, and the event in the same moment."""
    act = "invoice"
    draft = await stage.merchant.post(
        "/v1/invoices", currency="usdc", lines=LINES, tax_name="VAT", customer={"name": "Ada"}
    )
    check(
        (draft["subtotal"], draft["tax"], draft["total"]) == ("41.500000", "7.410000", "48.910000"),
        "sums are exact and tax is to the cent", draft,
    )  # fmt: skip
    invoice = await stage.merchant.post(f"/v1/invoices/{draft['id']}/finalize")
    check(invoice["status"] == "open", "it stands", invoice)
    page = await stage.page(f"/i/{invoice['id']}")
    check(invoice["number"] in page and "48.91" in page, "its page shows number and total", page)
    stage.timeline.say(act, f"{invoice['number']} of 48.91 USDC is final, and its page asks for the money")
    intent = await stage.merchant.get(f"/v1/payment_intents/{invoice['payment_intent']}")
    to, amount = due(intent, stage.chain_id)
    await stage.served.wait()
    await receipt(stage.rpc, await stage.customer(0).transfer(stage.token, to, amount))
    paid = await stage.until(
        lambda: stage.merchant.get(f"/v1/invoices/{invoice['id']}"),
        lambda i: i["status"] != "open", "the invoice to be paid",
    )  # fmt: skip
    check(
        (paid["status"], paid["amount_received"]) == ("paid", "48.910000"), "exactly that was paid", paid
    )  # fmt: skip
    await stage.told("invoice.paid", invoice["id"])
    stage.timeline.say(act, "its payment became final, so it is paid, and the signed webhook verifies")
