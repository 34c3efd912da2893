"""What is asked for when money is to go back, read against what is final of the payment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bascule.chain.signatures import recover
from bascule.domain import vault as layout
from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.money import SCALE, TokenAmount, parse_amount
from bascule.domain.payment_intent import IntentState
from bascule.domain.refund import CLAIM_LIFE, CLAIM_LONGEST, CLAIM_SHORTEST, RefundDestination
from bascule.services import intents, policy
from bascule.services.payout_request import read_signature, require_foreign
from bascule.storage import deposits, networks, refunds, tokens
from bascule.storage.database import Connection
from bascule.storage.deposits import Waiting
from bascule.storage.networks import Network
from bascule.storage.payment_intents import IntentRow
from bascule.storage.refunds import Refundable
from bascule.storage.tokens import Token


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """The parameters as they came, of the right types.

    payment_intent or deposit: what it is of; a deposit goes back whole.
    amount: all that is left when missing; token: tok_…, where paid in several; to, payer_signature: whereto,
    and the payer's word for it; without them the customer says by a link until claim_expires_at (seconds).
    """

    payment_intent: str | None
    deposit: str | None = None
    amount: object = None
    overpayment_only: bool = False
    token: str | None = None
    to: object = None
    payer_signature: object = None
    claim_expires_at: int | None = None
    reason: str | None = None
    client_reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundTerms:
    """The request, read: what goes back, and to whom if that is proven."""

    payment_intent_id: str | None
    deposit_id: str | None
    token: Token
    amount: TokenAmount
    payer: Address | None
    destination: Address | None


async def read_terms(
    conn: Connection, request: RefundRequest, *, account_id: str, livemode: bool
) -> RefundTerms:
    """Raises: Rejected, Conflict or Forbidden, each with its own code."""
    assert request.payment_intent is not None, "who asks of a deposit reads deposit_terms"
    intent = await _intent(conn, request.payment_intent, account_id, livemode)
    held = await refunds.refundable(conn, intent.id)
    if not held:
        raise _nothing_final(intent)
    known = {token.id: token for token in await tokens.every(conn)}
    part = _part(held, request.token)
    token = known[part.token_id]
    amount = _amount(request, intent, token, part, _refunded(held, known))
    paid_from = await refunds.paid_from(conn, intent.id, token.id)
    payer, to = await _proven(conn, request, intent.id, amount, token, paid_from, account_id, livemode)
    return RefundTerms(intent.id, None, token, amount, payer, to)


async def deposit_terms(
    conn: Connection, request: RefundRequest, deposit: Waiting, *, account_id: str, livemode: bool
) -> RefundTerms:
    """Of a deposit that goes back, whole. deposit: given back by `choices`. Raises: as `read_terms`."""
    if (await refunds.counted(conn, deposit.id)).units:
        raise Conflict(
            "refund_deposit_goes_back",
            "A refund gives this deposit back already, all of it.",
            next_step=f"GET /v1/refunds?deposit={deposit.id} lists its refunds; cancel that one for another.",
        )
    [shown] = await deposits.shown(conn, [deposit.id])
    token = None if shown.token_id is None else await tokens.get(conn, shown.token_id)
    assert token is not None, "what is in the books is of a token we know"
    amount = TokenAmount(deposit.amount, token.asset)
    layout.require_payable(amount.units)
    paid_from = frozenset({shown.src})
    payer, to = await _proven(conn, request, deposit.id, amount, token, paid_from, account_id, livemode)
    return RefundTerms(None, deposit.id, token, amount, payer, to)


async def _proven(
    conn: Connection,
    request: RefundRequest,
    of: str,
    amount: TokenAmount,
    token: Token,
    paid_from: frozenset[Address],
    account_id: str,
    livemode: bool,
) -> tuple[Address, Address] | tuple[None, None]:
    """Who paid and signed, and whereto; nothing where a link is to say it."""
    network = await networks.get(conn, token.chain_id)
    if network is None or network.vault is None:
        raise Rejected("network_unsupported", "No payouts are made on the network of this payment.")
    if request.to is None and request.payer_signature is None:
        return None, None
    to = parse_address(request.to, param="to")
    await require_payable(conn, account_id, livemode, token.chain_id, to, param="to")
    text = RefundDestination(of, Address(token.contract), to, amount.units)
    return _payer(request, paid_from, text, network), to


async def _intent(conn: Connection, named: str, account_id: str, livemode: bool) -> IntentRow:
    try:
        return await intents.own(conn, named, account_id, livemode)
    except NotFound as error:
        raise Rejected("payment_intent_unknown", error.message, param="payment_intent") from None


async def require_payable(
    conn: Connection, account_id: str, livemode: bool, chain_id: int, to: Address, *, param: str
) -> None:
    """Raises: Rejected when money sent there would be lost, come back to us, or go to somebody denied."""
    await require_foreign(conn, chain_id, to, param=param)
    if (whose := await policy.denied_by_any(conn, account_id, livemode, to)) is not None:
        raise Rejected("destination_denylisted", f"The address is on {whose}'s denylist.", param=param)


def claim_ends(claim_expires_at: int | None, now: datetime) -> datetime:
    """When a link is over. Raises: Rejected `refund_claim_invalid`."""
    if claim_expires_at is None:
        return now + CLAIM_LIFE
    if not (now + CLAIM_SHORTEST).timestamp() <= claim_expires_at <= (now + CLAIM_LONGEST).timestamp():
        raise Rejected(
            "refund_claim_invalid",
            f"A claim link lives one hour to {CLAIM_LONGEST.days} days from now.",
            param="claim_expires_at",
        )
    return datetime.fromtimestamp(claim_expires_at, UTC)


def exceeds(left: int, token: Token) -> Rejected:
    """More was asked for than can go back. left: base units."""
    return Rejected(
        "refund_exceeds_refundable",
        f"Of this payment {TokenAmount(left, token.asset).display()} {token.currency.upper()} can go back.",
        param="amount",
        next_step="Ask for at most that; what is on its way in other refunds counts.",
    )


def _nothing_final(intent: IntentRow) -> Conflict:
    if intent.state is IntentState.CANCELED:
        return Conflict(
            "refund_intent_canceled",
            "The payment intent was canceled and no money counts for it: there is nothing to give back.",
            param="payment_intent",
            next_step="Money that came later is in GET /v1/payment_intents/{id}/deposits.",
        )
    return Conflict(
        "refund_not_final",
        "No money of this payment intent is final yet.",
        param="payment_intent",
        next_step="Ask again once the payment intent has succeeded.",
    )


def _part(held: Sequence[Refundable], named: str | None) -> Refundable:
    if named is not None:
        for each in held:
            if each.token_id == named:
                return each
        raise Rejected(
            "refund_token_mismatch",
            "Nothing final was paid in this token.",
            param="token",
            next_step=f"Name one of {', '.join(each.token_id for each in held)}.",
        )
    open_ones = [each for each in held if each.left] or [*held]
    if len(open_ones) > 1:
        raise Rejected(
            "token_ambiguous",
            "This payment came in several tokens; each goes back as it came.",
            param="token",
            next_step=f"Name one of {', '.join(each.token_id for each in open_ones)}.",
        )
    return open_ones[0]


def _amount(
    request: RefundRequest, intent: IntentRow, token: Token, part: Refundable, refunded: int
) -> TokenAmount:
    """refunded: of all tokens, 10^-18 of the currency; it is counted against the overpayment first."""
    most = part.left
    if request.overpayment_only:
        overpaid = (intent.confirmed - intent.due - refunded) // 10 ** (SCALE - token.decimals)
        most = min(most, overpaid)
        if most <= 0:
            raise Conflict(
                "refund_nothing_overpaid",
                "Nothing of this payment was too much, or it was given back already.",
                param="overpayment_only",
            )
    if request.amount is None:
        units = most
    else:
        units = parse_amount(request.amount, token.currency).to_token(token.asset).units
    if units > most or units == 0:
        raise exceeds(most, token)
    layout.require_payable(units)
    return TokenAmount(units, token.asset)


def _refunded(held: Sequence[Refundable], known: Mapping[str, Token]) -> int:
    return sum(each.refunded * 10 ** (SCALE - known[each.token_id].decimals) for each in held)


def _payer(
    request: RefundRequest, paid_from: frozenset[Address], text: RefundDestination, network: Network
) -> Address:
    """Who signed, which must be somebody who paid. Raises: Forbidden `refund_payer_unverified`."""
    assert network.vault is not None, "a network that pays has one"
    if request.payer_signature is not None:
        raw = read_signature(request.payer_signature)
        who = recover(text.digest(network.chain_id, Address(network.vault)), raw)
        if who in paid_from:
            return who
    raise Forbidden(
        "refund_payer_unverified",
        "An address is taken from the merchant only with the signature of an address that paid.",
        param="payer_signature",
        next_step="Leave out `to` for a claim link, as for payments from contract wallets and exchanges,"
        " which cannot sign; else sign RefundDestination of this payment, token, address and amount.",
    )
