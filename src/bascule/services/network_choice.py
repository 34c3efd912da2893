"""Which network pays what is asked for without one: those that can are looked at, the best is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from bascule.domain import stops
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.money import parse_amount
from bascule.domain.network_choice import Candidate, NetworkDecision, choose
from bascule.services import lost_bytes
from bascule.services.payout_request import PayoutRequest, catalog
from bascule.storage import balances, blocks, destinations, floats, freezes, lanes, slots
from bascule.storage.database import Connection
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

COIN = 10**18  # wei


async def decide(
    conn: Connection, request: PayoutRequest, *, account_id: str, livemode: bool,
    coin_prices: Mapping[int, Decimal], now: datetime,
) -> NetworkDecision:  # fmt: skip
    """The network for a request that leaves it open. coin_prices: of one coin, by chain, where known.

    Raises: Rejected `network_unavailable` when none can pay it now, or as reading the request does; Conflict
    `restore_unsettled`.
    """
    candidates = []
    for network, token in await _fitting(conn, request, livemode):
        await lost_bytes.require_none(conn, network.chain_id)  # another may have been chosen before a restore
        units = parse_amount(request.amount, token.currency).to_token(token.asset).units
        if not await _works(conn, network, token):
            continue
        if await balances.available(conn, account_id, token.id) < units:
            continue
        candidates.append(await _candidate(conn, network, token, units, coin_prices, now))
    if not candidates:
        raise _unavailable(request.currency)
    return choose(candidates)


async def decide_together(
    conn: Connection, sums: Sequence[PayoutRequest], *, account_id: str, livemode: bool,
    coin_prices: Mapping[int, Decimal], now: datetime,
) -> NetworkDecision:  # fmt: skip
    """One network for all of several sums, each of a currency: as `decide`, by the worst of any there.

    Raises: Rejected `network_unavailable` when none can pay all of them.
    """
    each = [
        await decide(
            conn, one, account_id=account_id, livemode=livemode, coin_prices=coin_prices, now=now
        )
        for one in sums
    ]  # fmt: skip
    found = [{one.chain_id: one for one in decision.candidates} for decision in each]
    common = set.intersection(*(set(of) for of in found))
    if not common:
        raise _unavailable(", ".join(one.currency for one in sums))
    return choose([_worst([of[chain_id] for of in found]) for chain_id in common])


def _worst(found: Sequence[Candidate]) -> Candidate:
    """A network as it stands for all of its tokens."""
    costs = [each.cost for each in found]
    return replace(
        found[0],
        covered=all(each.covered for each in found),
        cost=max((cost for cost in costs if cost is not None), default=None) if None not in costs else None,
        seconds=max(each.seconds for each in found),
    )


def _unavailable(currency: str) -> Rejected:
    return Rejected(
        "network_unavailable",
        f"No network can pay {currency} now: none has a vault at work and so much of it.",
        param="network",
        next_step="Name a network: the answer says what keeps it from paying.",
    )


async def _fitting(
    conn: Connection, request: PayoutRequest, livemode: bool
) -> list[tuple[Network, Token]]:  # fmt: skip
    """The networks with exactly one token that is meant, and with the payee where that is an entry."""
    known = await catalog(conn)
    named = await destinations.of_ids(conn, [str(request.destination)])
    at = {entry.chain_id for entry in named.values()}
    meant = [
        token
        for token in known.tokens
        if token.accepted and token.currency == request.currency and request.token in (None, token.id)
    ]
    times = Counter(token.chain_id for token in meant)
    return [
        (network, token)
        for token in meant
        if times[token.chain_id] == 1
        and (network := known.networks.get(token.chain_id)) is not None
        and network.livemode == livemode
        and network.vault is not None
        and (not at or network.chain_id in at)
    ]


async def _works(conn: Connection, network: Network, token: Token) -> bool:
    """Whether payouts of the token go out there now: nothing halted, suspended, frozen or closed."""
    cursor = await blocks.cursor(conn, network.chain_id)
    frozen = {row["scope"] for row in await freezes.standing(conn)}
    closed = await lanes.closed(conn)
    return (
        cursor is not None
        and cursor.halted_reason is None
        and token.suspended is None
        and frozen.isdisjoint(stops.money(token.chain_id, Address(token.contract)))
        and any(
            (lane.chain_id, lane.vault) == (network.chain_id, network.vault)
            and f"{lane.chain_id}/{lane.name}" not in closed
            for lane in await lanes.every_open(conn)
        )
    )


async def _candidate(
    conn: Connection, network: Network, token: Token, units: int, coin_prices: Mapping[int, Decimal],
    now: datetime,
) -> Candidate:  # fmt: skip
    assert network.vault is not None, "one that fits has a vault"
    vault, chain_id = Address(network.vault), network.chain_id
    standing = await floats.standing(conn, chain_id, vault, token.id, now)
    wei, price = await slots.cost_lately(conn, chain_id, vault), coin_prices.get(chain_id)
    cursor = await blocks.cursor(conn, chain_id)
    assert cursor is not None, "a network that works is read"
    final = await blocks.canonical_at(conn, chain_id, cursor.finalized_number)
    behind = 0 if final is None else int(cursor.head_time.timestamp()) - final.time
    return Candidate(
        chain_id=chain_id,
        token_id=token.id,
        covered=standing.available - standing.waiting >= units,
        cost=None if wei is None or price is None else wei * price / COIN,
        seconds=max(0, behind),
    )
