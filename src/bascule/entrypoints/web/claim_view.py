"""What the claim page says: what happened, what it means for the customer, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.refund import RefundState
from bascule.entrypoints.web.checkout_view import Saying, groups, moment, tidy
from bascule.storage.refunds import RefundRow

STEPS = ("Address", "Waiting time", "On its way", "Paid")
# What a customer can do about an address that is refused; else the error's own words say it.
ADVICE = {
    "address_invalid": "Enter an address of the network: 0x and 40 letters and digits, without spaces.",
    "address_checksum_mismatch": "This address has a mistake in it. "
    "Copy it again from your wallet; do not type it.",
    "destination_is_token_contract": "This is a token's address, not a wallet's: what is sent there is lost. "
    "Copy your own address from your wallet.",
    "destination_is_ours": "This is the address you paid to, or another one of this service. "
    "Enter an address of your own.",
    "destination_denylisted": "No money can be sent to this address. Enter another one of yours.",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A refund as its customer sees it. to: with its checksum; tx_hash: that paid it, once final."""

    refund: RefundRow
    amount: str
    currency: str
    network: str
    merchant: str
    description: str | None
    to: str | None
    tx_hash: str | None

    @property
    def money(self) -> str:
        """The amount with its currency."""
        return f"{tidy(self.amount)} {self.currency}"


def view(
    claim: Claim, now: datetime, *, review: Address | None, refused: Rejected | None, typed: str
) -> dict[str, Any]:
    """All that the template needs. review: the address to look at twice; refused: what is wrong with it."""
    said = say(claim, now)
    asks = claim.refund.state is RefundState.REQUIRES_ACTION and not _over(claim.refund, now)
    shown = checksum(review) if review is not None else claim.to
    return {
        "claim": claim,
        "amount": tidy(claim.amount),
        "currency": claim.currency,
        "said": _asking_twice(claim) if review is not None else said,
        "asks": asks and review is None,
        "review": None if review is None else checksum(review),
        "groups": [] if shown is None else groups(shown),
        "unchecked": review is not None and typed in (typed.lower(), "0x" + typed[2:].upper()),
        "error": None if refused is None else ADVICE.get(refused.code, refused.message),
        "typed": typed,
        "until": None if claim.refund.claim_expires_at is None else moment(claim.refund.claim_expires_at),
        "steps": [
            {"label": label, "state": "done" if n < said.step else "now" if n == said.step else "next"}
            for n, label in enumerate(STEPS)
        ]
        if said.tone != "care"
        else [],
    }


def say(claim: Claim, now: datetime) -> Saying:
    """The state in plain words."""
    refund = claim.refund
    match refund.state:
        case RefundState.REQUIRES_ACTION if not _over(refund, now):
            return Saying(
                f"{claim.merchant} returns {claim.money} to you",
                f"Say to which address on {claim.network} it is sent. The link works once.",
                0, "calm", False,
            )  # fmt: skip
        case RefundState.SUCCEEDED:
            return Saying("Paid", f"{claim.money} was sent to your address and is final.", 4, "done", False)
        case RefundState.FAILED:
            return Saying(
                "The refund could not be paid",
                f"Nothing was sent. Ask {claim.merchant} for a new link, naming the refund's number.",
                0, "care", False,
            )  # fmt: skip
        case RefundState.PENDING:
            return _pending(claim, now)
        case _:
            return _ended(claim)


def _pending(claim: Claim, now: datetime) -> Saying:
    refund = claim.refund
    if refund.pays_at is not None and refund.pays_at > now:
        until = moment(refund.pays_at)["short"]
        return Saying(
            "We have your address",
            f"{claim.money} is sent after {until}. Until then {claim.merchant} can stop it: if the address "
            "below is not yours, tell them at once.",
            1, "calm", False,
        )  # fmt: skip
    if refund.payout_id is None and refund.waits_for is not None:
        return Saying(
            "We have your address",
            f"{claim.merchant} has to make the payment possible first, and knows that. It then goes on by "
            "itself; you need not do anything.",
            2, "calm", False,
        )  # fmt: skip
    return Saying(
        "The payment is being made",
        f"{claim.money} is on its way to the address below. You need not do anything; "
        "you may close this page.",
        2, "calm", False,
    )  # fmt: skip


def _ended(claim: Claim) -> Saying:
    if claim.refund.claimed_at is None:
        return Saying(
            "This link is over",
            f"It was not used in time, or {claim.merchant} called it off. Nothing was sent. "
            "Ask them for a new link.",
            0, "care", False,
        )  # fmt: skip
    return Saying(
        "The refund was stopped",
        f"{claim.merchant} stopped it before it was sent. Ask them why, naming the refund's number.",
        0, "care", False,
    )  # fmt: skip


def _asking_twice(claim: Claim) -> Saying:
    return Saying(
        "Is this address yours?",
        f"{claim.money} is sent there on {claim.network}, and nobody can take it back. "
        "Compare it with your wallet, letter by letter.",
        0, "care", False,
    )  # fmt: skip


def _over(refund: RefundRow, now: datetime) -> bool:
    return refund.claim_expires_at is not None and refund.claim_expires_at <= now
