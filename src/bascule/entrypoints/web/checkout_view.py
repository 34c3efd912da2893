"""What the checkout says: what happened, what it means for the payer, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import segno

from bascule.domain.checkout import SESSION_IN_URL
from bascule.domain.payment_intent import IntentState
from bascule.storage.checkout_sessions import SessionRow

STEPS = ("Waiting", "Seen", "Confirming", "Paid")


@dataclass(frozen=True, slots=True)
class Saying:
    """The state in words. step: how many of STEPS are behind; tone: calm, done, or care (act)."""

    headline: str
    message: str
    step: int
    tone: str
    payable: bool


def view(
    intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]], chosen: str | None, now: datetime
) -> dict[str, Any]:
    """All that the template needs; `chosen` is a network, else the first."""
    said = say(intent, deposits, now)
    ways = _ways(intent) if said.payable else []
    way = next((way for way in ways if way["network"] == chosen), ways[0] if ways else None)
    steps = [
        {"label": label, "state": "done" if n < said.step else "now" if n == said.step else "next"}
        for n, label in enumerate(STEPS)
    ]
    if said.step == 2:
        steps[2]["label"] = _confirming(deposits)
    return {
        "intent": intent,
        "amount": tidy(intent["amount"]),
        "currency": intent["currency"].upper(),
        "said": said,
        "steps": [] if intent["status"] == "canceled" else steps,
        "ways": ways,
        "way": way,
        "qr": None if way is None else qr(way["uri"]),
        "until": _moment(intent["expires_at"]),
        "transactions": _arrived(intent, deposits),
        "revision": revision(intent, deposits, now),
        "final": intent["status"] in ("succeeded", "canceled"),
    }


def way_back(session: SessionRow) -> str | None:
    """Where the payer goes from the page: on once it is paid, back as long as no money is on its way."""
    match session.state:
        case IntentState.PROCESSING:
            return None
        case IntentState.SUCCEEDED:
            url = session.success_url
            return None if url is None else url.replace(SESSION_IN_URL, session.id)
        case _:
            return session.cancel_url


def revision(intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """Changes whenever the page would say something else."""
    seen = ".".join(f"{d['status']}-{d['confirmations']}" for d in deposits)
    late = int(now.timestamp() > intent["expires_at"])
    return f"{intent['version']}:{late}:{seen}"


def say(intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]], now: datetime) -> Saying:
    """The state in plain words."""
    match intent["status"]:
        case "succeeded":
            return _succeeded(intent)
        case "processing":
            counted = _money(intent["amount_received"], intent)
            return Saying(
                "Payment seen",
                f"We have seen {counted} and wait until the network makes it final. "
                "You need not do anything; you may close this page.",
                2, "calm", False,
            )  # fmt: skip
        case "canceled":
            return _canceled(intent, deposits)
        case _:
            return _waiting(intent, deposits, now)


def _succeeded(intent: Mapping[str, Any]) -> Saying:
    text = f"We received {_money(intent['amount_received'], intent)}. This payment is complete."
    if "overpaid" in intent["flags"]:
        more = _money(intent["amount_overpaid"], intent)
        text = (
            f"We received {_money(intent['amount_received'], intent)}, which is {more} more than was asked "
            "for. Ask the merchant to return the difference."
        )
    return Saying("Paid", text, 4, "done", False)


def _canceled(intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]]) -> Saying:
    why = "Its time is over." if intent["cancellation_reason"] == "expired" else "The merchant called it off."
    if deposits:
        text = (
            f"{why} What you sent has arrived and is not lost: "
            "ask the merchant to return it, naming the payment number."
        )
    else:
        text = f"{why} Do not send money to its address any more. Ask the merchant for a new payment."
    return Saying("Payment closed", text, 0, "care", False)


def _waiting(intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]], now: datetime) -> Saying:
    until, late = _moment(intent["expires_at"])["short"], now.timestamp() > intent["expires_at"]
    missing = _money(intent["amount_remaining"], intent)
    if "held" in intent["flags"]:
        return Saying(
            "A transfer is being checked",
            "Money has arrived at this payment's address and is looked at before it counts. If you sent it, "
            "do not pay again: it is not lost. Ask the merchant if this takes long.",
            1, "care", True,
        )  # fmt: skip
    if "reorged" in intent["flags"] and not _counted(intent):
        return Saying(
            "Payment not confirmed",
            "The network took back the block your payment was in. It usually comes back by itself "
            "within minutes; do not pay again unless your wallet says that it failed.",
            1, "care", True,
        )  # fmt: skip
    if _counted(intent):
        received, asked = tidy(intent["amount_received"]), _money(intent["amount"], intent)
        when = "as soon as you can" if late else f"before {until}"
        return Saying(
            "Part of the payment is here",
            f"We received {received} of {asked}. Send {missing} more to the same address {when}, "
            "or ask the merchant for a refund.",
            1, "care", True,
        )  # fmt: skip
    if {"wrong_token", "wrong_chain"} & set(intent["flags"]):
        return Saying(
            "Something else arrived",
            f"What arrived is not a token this payment accepts, so it does not count. Send {missing}, and "
            "ask the merchant to return what you sent.",
            0, "care", True,
        )  # fmt: skip
    if late:
        return _late(intent, missing)
    return Saying("Waiting for your payment", f"Send {missing} before {until}.", 0, "calm", True)


def _late(intent: Mapping[str, Any], missing: str) -> Saying:
    closes = _moment(intent["closes_at"])["short"]
    if intent["policy"]["late"] == "hold":
        text = (
            "Money that comes now is held until the merchant decides. "
            f"Until {closes} you can still send {missing}."
        )
    else:
        text = f"You can still send {missing} until {closes}. After that the payment closes."
    return Saying("The time to pay has passed", text, 0, "care", True)


def _counted(intent: Mapping[str, Any]) -> bool:
    return any(digit not in "0." for digit in intent["amount_received"])


def _ways(intent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One way to pay per network and token."""
    action = intent["next_action"]
    if action is None:
        return []
    found = []
    for network, details in action["display_deposit_details"]["deposit_addresses"].items():
        required = details["confirmations_required"]
        speed = "final in some minutes" if required is None else f"final after {required} blocks"
        token = details["supported_tokens"][0]
        found.append(
            {
                "network": network,
                "name": details["network_name"],
                "speed": speed,
                "address": details["address"],
                "groups": groups(details["address"]),
                "amount": tidy(token["amount"]),
                "currency": token["currency"].upper(),
                "contract": token["contract"],
                "uri": token["eip681_uri"],
            }
        )
    return found


def _arrived(intent: Mapping[str, Any], deposits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The transactions that count, each with what it brought."""
    brought = {deposit.get("id"): deposit for deposit in deposits}
    found = []
    for each in intent["evidence"]["transactions"]:
        amount = brought.get(each["deposit"], {}).get("amount")
        found.append({"hash": each["hash"], "amount": None if amount is None else tidy(amount)})
    return found


def _confirming(deposits: Sequence[Mapping[str, Any]]) -> str:
    waiting = [d for d in deposits if d["status"] == "detected" and d["confirmations"] is not None]
    if not waiting:
        return "Confirming"
    slowest = min(waiting, key=lambda deposit: int(deposit["confirmations"]))
    required = slowest["confirmations_required"]
    if required is None:
        return f"Confirming: {slowest['confirmations']} so far"
    return f"Confirming {min(slowest['confirmations'], required)} of {required}"


def groups(address: str) -> list[str]:
    """`0x` and ten groups of four, for reading aloud."""
    digits = address.removeprefix("0x")
    return ["0x", *(digits[place : place + 4] for place in range(0, len(digits), 4))]


def qr(text: str) -> str:
    """The text as an inline SVG without any style of its own."""
    svg: str = segno.make(text, error="m").svg_inline(
        border=2, omitsize=True, svgclass="qr", lineclass="qr-line"
    )
    return svg


def tidy(amount: str) -> str:
    """`25.000000` as `25.00`: no zero too many after the second digit."""
    whole, _, fraction = amount.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _money(amount: str, intent: Mapping[str, Any]) -> str:
    return f"{tidy(amount)} {intent['currency'].upper()}"


def moment(at: datetime) -> dict[str, str]:
    """A moment for machines, at a glance, and in full."""
    short = at.strftime("%d %B, %H:%M UTC").lstrip("0")
    return {"iso": at.isoformat(), "short": short, "long": f"{at:%d %B %Y, %H:%M:%S} UTC"}


def _moment(seconds: int) -> dict[str, str]:
    return moment(datetime.fromtimestamp(seconds, UTC))
