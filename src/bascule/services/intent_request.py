"""What a merchant asks for when making an intent, read against the tokens and networks we know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from bascule.domain.chain import caip2
from bascule.domain.early import EarlyPolicy, read_level, spell
from bascule.domain.errors import Rejected
from bascule.domain.money import Money, parse_amount
from bascule.services.intent_view import Catalog
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

MISSING = object()  # an amount that was not named; null is a wrong one
LIFE = timedelta(hours=1)
LIFE_MAX = timedelta(days=31)
GRACE = timedelta(hours=24)
GRACE_MAX = timedelta(days=90)
_ZERO = re.compile(r"0\.0{2,6}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of `accepted`: a token, or every token of the currency on a network."""

    network: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """The parameters as they came, of the right types; expires_at and closes_at are unix seconds.

    quote: where amount and currency come from, instead of being named; finality: the level at which it
    succeeds; None: as the account's tiers say; invoice: the one it asks for; life_max: how far ahead
    expires_at may lie.
    """

    amount: object = MISSING
    currency: str | None = None
    quote: str | None = None
    accepted: Sequence[Choice] | None = None
    expires_at: int | None = None
    closes_at: int | None = None
    underpay_tolerance_bps: int = 0
    underpay_tolerance_abs: object = "0.00"
    late: Literal["accept", "hold"] = "accept"
    overpay: Literal["hold", "keep"] = "hold"
    finality: str | None = None
    client_reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    invoice: str | None = None
    life_max: timedelta = LIFE_MAX


@dataclass(frozen=True, slots=True)
class Terms:
    """Amounts and moments of an intent, read and in bounds. tolerance_abs: 10^-18 of the currency."""

    due: Money
    tolerance_abs: int
    expires_at: datetime
    closes_at: datetime


class Locked(NamedTuple):
    """What a quote says: an amount, and until when it stands."""

    due: Money
    until: datetime


def read_terms(request: IntentRequest, now: datetime, locked: Locked | None = None) -> Terms:
    """locked: what the request's quote says. Raises: Rejected, naming the parameter."""
    due = _asked(request) if locked is None else locked.due
    life = now + LIFE if locked is None else locked.until
    expires_at = _moment(request.expires_at, life, "expires_at")
    if not now < expires_at <= now + request.life_max:
        raise Rejected(
            "parameter_invalid",
            f"From now to {request.life_max.days} days ahead, in unix seconds.",
            param="expires_at",
        )
    closes_at = _moment(request.closes_at, expires_at + GRACE, "closes_at")
    if not expires_at <= closes_at <= expires_at + GRACE_MAX:
        raise Rejected(
            "parameter_invalid", f"From expires_at to {GRACE_MAX.days} days after it.", param="closes_at"
        )
    return Terms(due, _tolerance(request, due), expires_at, closes_at)


def _asked(request: IntentRequest) -> Money:
    if request.currency is None or request.amount is MISSING:
        param = "currency" if request.currency is None else "amount"
        raise Rejected("parameter_missing", "This parameter is needed, or a quote.", param=param)
    return parse_amount(request.amount, request.currency)


def level(request: IntentRequest, terms: Terms, policy: EarlyPolicy) -> str:
    """The level at which the intent succeeds, as it is stored. Raises: Rejected."""
    param = "policy.finality"
    asked = None if request.finality is None else read_level(request.finality, param)
    return spell(policy.level(terms.due.units, asked, param))


def _moment(seconds: int | None, otherwise: datetime, param: str) -> datetime:
    if seconds is None:
        return otherwise.replace(microsecond=0)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected("parameter_invalid", "Unix seconds are expected.", param=param) from None


def _tolerance(request: IntentRequest, due: Money) -> int:
    param = "policy.underpay_tolerance_abs"
    text = request.underpay_tolerance_abs
    if isinstance(text, str) and _ZERO.fullmatch(text):
        return 0
    units = parse_amount(text, due.currency, param=param).units
    if units >= due.units:
        raise Rejected("parameter_invalid", "Less than the amount itself.", param=param)
    return units


def accepted_tokens(request: IntentRequest, terms: Terms, known: Catalog, *, livemode: bool) -> list[Token]:
    """The tokens that will count, each able to express the amount exactly. Raises: Rejected."""
    open_networks = {
        network.chain_id: network
        for network in known.networks.values()
        if network.livemode == livemode and network.deposit_factory is not None
    }
    payable = [
        token
        for token in known.tokens.values()
        if token.payable and token.chain_id in open_networks and token.currency == terms.due.currency
    ]
    if not payable:
        raise Rejected(
            "currency_unsupported",
            f"No accepted token has the currency {terms.due.currency!r:.30}.",
            param="currency",
        )
    if request.accepted is None:
        return _expressible(payable, terms.due)
    chosen: dict[str, Token] = {}
    for place, choice in enumerate(request.accepted):
        for token in _chosen(choice, f"accepted.{place}", payable, open_networks):
            terms.due.to_token(token.asset)
            chosen[token.id] = token
    return list(chosen.values())


def _expressible(payable: Iterable[Token], due: Money) -> list[Token]:
    found, refused = [], None
    for token in payable:
        try:
            due.to_token(token.asset)
            found.append(token)
        except Rejected as error:
            refused = error
    if not found and refused is not None:
        raise refused
    return found


def _chosen(
    choice: Choice, param: str, payable: Sequence[Token], open_networks: Mapping[int, Network]
) -> list[Token]:
    chain_id = None if choice.network is None else _chain(choice.network, f"{param}.network", open_networks)
    if choice.token is None:
        if chain_id is None:
            raise Rejected("parameter_missing", "Name a network, a token, or both.", param=param)
        found = [token for token in payable if token.chain_id == chain_id]
        if not found:
            raise Rejected(
                "token_network_mismatch",
                "No token of this currency is accepted there.",
                param=f"{param}.network",
            )
        return found
    token = next((token for token in payable if token.id == choice.token), None)
    if token is None:
        raise Rejected(
            "token_unknown",
            f"No accepted token of this currency: {choice.token!r:.70}.",
            param=f"{param}.token",
        )
    if chain_id not in (None, token.chain_id):
        raise Rejected(
            "token_network_mismatch", f"The token lives on {caip2(token.chain_id)}.", param=f"{param}.network"
        )
    return [token]


def _chain(text: str, param: str, open_networks: Mapping[int, Network]) -> int:
    for network in open_networks.values():
        if text in (network.name, caip2(network.chain_id)):
            return network.chain_id
    raise Rejected("network_unknown", f"No such network: {text!r:.70}.", param=param)
