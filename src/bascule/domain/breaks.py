"""Breaks: contradictions between the chain, the journal, intents, payouts and what was told of them.

Every type is data: what it means, who looks at it, what is proposed, whether payouts of its token wait
meanwhile, and how it ends. `TYPES` is all there is; nothing else is ever opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bascule.domain.machine import Machine


class BreakState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class BreakEvent(StrEnum):
    RESOLVE = "resolve"


S, E = BreakState, BreakEvent

BREAK = Machine(
    "break",
    BreakState,
    BreakEvent,
    initial=(S.OPEN,),
    table={(S.OPEN, E.RESOLVE): S.RESOLVED},
    sentences={
        S.OPEN: "The difference stands unexplained.",
        S.RESOLVED: "A posting, a proof or a person explains it, and is named.",
    },
)


class Owner(StrEnum):
    """Who looks at it."""

    TREASURY = "treasury"
    OPERATIONS = "operations"
    MERCHANT = "merchant"


class Ends(StrEnum):
    """How a break ends."""

    BOOKED = "booked"
    GONE = "gone"
    EXPLAINED = "explained"
    RESUMED = "resumed"

    @property
    def sentence(self) -> str:
        """The same in words."""
        return _ENDS[self]


_ENDS = {
    Ends.BOOKED: "it ends with the posting that books it",
    Ends.GONE: "it ends when a look finds that nothing contradicts any more",
    Ends.EXPLAINED: "it ends when it is gone, or when a person explains it",
    Ends.RESUMED: "it ends when an operator takes the token back (bascule tokens resume)",
}


@dataclass(frozen=True, slots=True)
class BreakType:
    """One kind of contradiction. freezes: payouts of its token wait while it is open."""

    name: str
    means: str
    owner: Owner
    fix: str
    ends: Ends
    freezes: bool = False


_POST = (
    "Nothing to do: it is booked with the next final block. If it stands for an hour, look at the watcher."
)
_CHOOSE = "Apply it to an intent, accept it, or give it back: POST /v1/deposits/{id}/apply, /accept."

_ALL = (
    BreakType(
        "custody_residual", "The chain holds more or less of a token than is booked or waits for booking.",
        Owner.TREASURY, "Find what moved without a booking; explain it, or let the missing fact be booked.",
        Ends.EXPLAINED, freezes=True,
    ),
    BreakType(
        "gas_drift", "A wallet's native coin is not what its first balance, top-ups and booked gas say.",
        Owner.TREASURY,
        "More: coin that somebody sent by hand is explained. Less: ask who else has the wallet's key.",
        Ends.EXPLAINED,
    ),
    BreakType(
        "balance_delta", "A token's balances moved otherwise than its Transfers say.",
        Owner.OPERATIONS,
        "Look at what the token does (a fee, a rebase); once its logs are true, bascule tokens resume.",
        Ends.RESUMED,
    ),
    BreakType(
        "unexplained_outflow", "Money left us without a payout, to nobody we know.",
        Owner.TREASURY,
        "Ask who took it and top the vault up, then bascule tokens resume (docs/runbooks/money-left.md).",
        Ends.RESUMED,
    ),
    BreakType(
        "payout_of_lost_request", "A restored database does not know who asked for a payment that was made.",
        Owner.TREASURY,
        "Who asked asks again with the same reference (payout_recovered); settle it and top the vault up.",
        Ends.EXPLAINED,
    ),
    BreakType(
        "address_listed", "The issuer's list names one of our deposit addresses; what lies there is held.",
        Owner.TREASURY, "Ask the issuer. It ends when a final block takes the address off the list, or by "
        "`bascule tokens unlist`.",
        Ends.GONE,
    ),
    BreakType(
        "unbooked_transfer", "A final transfer of an accepted token came to us, or left a "
        "deposit address, and no transaction books it.",
        Owner.OPERATIONS, _POST, Ends.BOOKED,
    ),
    BreakType(
        "unknown_transfer_booked", "The journal books a transfer that was never read from the chain.",
        Owner.OPERATIONS, "Freeze payouts, compare with a backup: bascule ledger verify names the row.",
        Ends.GONE, freezes=True,
    ),
    BreakType(
        "orphaned_credit", "The journal books a transfer that is not on the canonical chain, final.",
        Owner.OPERATIONS, "Finality was wrong. Keep the chain halted; docs/operating/halts.md.",
        Ends.GONE, freezes=True,
    ),
    BreakType(
        "intent_drift", "An intent counts more or less final money than was applied to it.",
        Owner.OPERATIONS, "bascule explain names the deposits; what is wrong is a defect: report it.",
        Ends.GONE,
    ),
    BreakType(
        "amount_under", "An intent ended with less than it asked for, and has the money that came.",
        Owner.MERCHANT, "Give the money back, or keep it and say so.", Ends.EXPLAINED,
    ),
    BreakType(
        "amount_over", "A payment brought more than its intent asked for; the rest counts for nothing yet.",
        Owner.MERCHANT, "Give the rest back, or accept it: POST /v1/deposits/{id}/accept.", Ends.EXPLAINED,
    ),
    BreakType(
        "late_payment", "A payment came when its intent had ended.", Owner.MERCHANT, _CHOOSE, Ends.EXPLAINED
    ),
    BreakType(
        "duplicate_payment", "A payment came for an intent that was paid.",
        Owner.MERCHANT, _CHOOSE, Ends.EXPLAINED,
    ),
    BreakType(
        "wrong_token", "A payment came in a token or on a network that its intent does not take.",
        Owner.MERCHANT, _CHOOSE, Ends.EXPLAINED,
    ),
    BreakType(
        "unapplied_deposit", "Money came that counts for no intent, for a reason that its deposit names.",
        Owner.MERCHANT, _CHOOSE, Ends.EXPLAINED,
    ),
    BreakType(
        "payout_not_mined", "A payout has its nonce for an hour and is in no block.",
        Owner.OPERATIONS, "bascule explain says what it waits for: gas, fees, or the node.", Ends.GONE,
    ),
    BreakType(
        "payout_mined_not_posted", "A payout's transaction is final for half an hour, and is not booked.",
        Owner.OPERATIONS, "Look at the lane's submitter: it books what is final.", Ends.BOOKED,
    ),
    BreakType(
        "payout_amount_mismatch", "A paid payout's transfer is not exactly the one that was asked for.",
        Owner.TREASURY, "Freeze payouts and look at the vault: docs/operating/freezing.md.",
        Ends.GONE, freezes=True,
    ),
    BreakType(
        "holds_differ", "What is held of a token for payouts is not what those payouts ask for.",
        Owner.OPERATIONS, "bascule ledger verify names the payout whose hold is wrong.",
        Ends.GONE, freezes=True,
    ),
    BreakType(
        "webhook_gap", "An event was never scheduled for an endpoint that listens to it.",
        Owner.OPERATIONS, "Its receiver reads it: GET /v1/events. Then say so.", Ends.EXPLAINED,
    ),
    BreakType(
        "seal_break", "A sealed row of the journal or the audit log is not what was sealed.",
        Owner.OPERATIONS, "Freeze everything; compare with an export: bascule audit verify names the row.",
        Ends.GONE,
    ),
)  # fmt: skip

TYPES: Mapping[str, BreakType] = {each.name: each for each in _ALL}

# Why a final deposit counts for nothing → the type of its break; any other reason is an `unapplied_deposit`.
OF_REASON: Mapping[str, str] = {
    "intent_closed": "late_payment",
    "already_paid": "duplicate_payment",
    "wrong_token": "wrong_token",
    "wrong_chain": "wrong_token",
    "unsupported_token": "wrong_token",
}


def may_explain(type: str) -> bool:
    """Whether a person may end a break of this type with an explanation."""
    return TYPES[type].ends is Ends.EXPLAINED
