"""The books as arithmetic: what random commands may do, and what they leave behind.

It knows the rules and none of the code: sums in dictionaries, refusals as answers.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Refusal = Literal["insufficient_funds", "halted"]


@dataclass
class Asked:
    """A payout as the model sees it: base units, and whether they are set aside."""

    account: str
    amount: int
    state: Literal["pending", "requires_action", "canceled", "paid"] = "pending"
    held: bool = False
    released: bool = False


@dataclass
class GivenBack:
    """A refund as the model sees it: base units, of them what nobody had, and whether that was moved."""

    amount: int
    excess: int
    counts: bool = True
    moved: bool = False


@dataclass
class Model:
    """Sums by ledger account, debit positive: posted, and held on the debit and the credit side."""

    operator: str
    posted: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    payouts: dict[str, Asked] = field(default_factory=dict)
    suspended: dict[str, int] = field(default_factory=dict)
    terms: tuple[int, int] | None = None  # what the merchant pays: bps, and base units once for an intent
    charged: set[str] = field(default_factory=set)
    applied: int = 0
    credited: int = 0
    refunds: dict[str, GivenBack] = field(default_factory=dict)

    def available(self, account: str) -> int:
        """What the account may still set aside."""
        return -self.posted[f"available:{account}"] - self.held[f"available:{account}"]

    def arrives(self, custody: str, account: str, amount: int, credited: int) -> None:
        """Money came from outside: so much of it is the account's, the rest waits."""
        self.posted[custody] += amount
        self.posted[f"available:{account}"] -= credited
        self.posted[f"suspense:{account}"] -= amount - credited

    def pays_intent(self, amount: int, credited: int) -> None:
        """What arrived counts for the payment: so much of it was asked for, the rest is too much."""
        self.applied += amount
        self.credited += credited

    def gives_back(self, refund: str, amount: int) -> Refusal | None:
        """A refund, as far as the payment is final; what was paid too much goes first."""
        if sum(each.amount for each in self.refunds.values() if each.counts) + amount > self.applied:
            return "halted"
        taken = sum(each.excess for each in self.refunds.values() if each.counts or each.moved)
        left = max(0, self.applied - self.credited - taken)
        self.refunds[refund] = GivenBack(amount, min(amount, left))
        return None

    def books_refund(self, refund: str, account: str) -> None:
        """What was too much becomes the account's, once."""
        given = self.refunds[refund]
        if given.excess and not given.moved:
            given.moved = True
            self.posted[f"suspense:{account}"] += given.excess
            self.posted[f"available:{account}"] -= given.excess

    def accepts(self, deposit: str, account: str) -> None:
        """What waited is the account's."""
        amount = self.suspended.pop(deposit)
        self.posted[f"suspense:{account}"] += amount
        self.posted[f"available:{account}"] -= amount

    def charges(self, account: str, intent: str, gross: int) -> None:
        """The platform keeps its part of what was credited, by the terms of now."""
        if self.terms is None or not gross:
            return
        bps, fixed = self.terms
        fee = gross * bps // 10_000
        if intent not in self.charged:
            fee += min(fixed, gross - fee)
        self.charged.add(intent)
        self.posted[f"available:{account}"] += fee
        self.posted["income:fees"] -= fee

    def moves(self, source: str, target: str, amount: int) -> None:
        """Money changed its place among our own."""
        self.posted[source] -= amount
        self.posted[target] += amount

    def holds(self, payout: str) -> Refusal | None:
        """Sets a payout's money aside, where there is as much and it may pay."""
        asked = self.payouts[payout]
        if asked.held and asked.state == "pending":
            return None  # it is the same hold
        if asked.state != "pending":
            return "halted"
        if self.available(asked.account) < asked.amount:
            return "insufficient_funds"
        asked.held, asked.released = True, False
        self._hold(asked, 1)
        return None

    def releases(self, payout: str) -> Refusal | None:
        """Gives back what a payout set aside that will not pay now."""
        asked = self.payouts[payout]
        if asked.state not in ("requires_action", "canceled") or not (asked.held or asked.released):
            return "halted"
        if asked.held:
            asked.held, asked.released = False, True
            self._hold(asked, -1)
        return None

    def pays(self, payout: str) -> Refusal | None:
        """The money left, and the hold ends with it."""
        asked = self.payouts[payout]
        if asked.state != "paid":
            return "halted"
        if asked.held:
            asked.held = False
            self._hold(asked, -1)
            self.posted[f"available:{asked.account}"] += asked.amount
            self.posted["custody:vault"] -= asked.amount
        return None

    def _hold(self, asked: Asked, sign: int) -> None:
        self.held[f"available:{asked.account}"] += sign * asked.amount
        self.held["custody:vault"] -= sign * asked.amount

    def books(self) -> dict[str, tuple[int, int]]:
        """Posted and held by ledger account; where both are zero it is left out."""
        both = {code: (self.posted[code], self.held[code]) for code in {*self.posted, *self.held}}
        return {code: sums for code, sums in both.items() if any(sums)}
