"""Plans flushes: which deposit addresses are to be emptied now, as requests for the sweeper of their chain.

However many workers plan, an address is in at most one open request per token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bascule.chain import fee_oracle
from bascule.chain.caller import Caller
from bascule.domain import flush as economy
from bascule.domain.chain import Address
from bascule.domain.errors import Retryable
from bascule.domain.flush import Economy, Lying
from bascule.domain.ids import Prefix
from bascule.services.collector_watch import CollectorWatch
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import blocks, flushes, lanes, networks, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

log = structlog.get_logger()

GWEI = 10**9


@dataclass(frozen=True)
class FlushSettings:
    """When a flush is worth it. min_amount, min_total: in the token's currency; retry_after: for an address
    that was tried in vain; coin_prices: chain → what one native coin is worth in the currency.
    """

    min_amount: Decimal = Decimal(10)
    min_total: Decimal = Decimal(500)
    max_age: timedelta = timedelta(days=1)
    max_base_fee: int = 50 * GWEI
    max_cost_bps: int = 100
    max_addresses: int = economy.ADDRESSES_MAX
    retry_after: timedelta = timedelta(days=1)
    coin_prices: Mapping[int, Decimal] = field(default_factory=dict)

    def economy(self, token: Token) -> Economy:
        """The same in base units of a token."""
        unit = Decimal(10) ** token.decimals
        price = self.coin_prices.get(token.chain_id)
        return Economy(
            min_amount=int(self.min_amount * unit),
            min_total=int(self.min_total * unit),
            max_age=self.max_age,
            max_cost_bps=self.max_cost_bps,
            max_addresses=self.max_addresses,
            coin_price=None if price is None else price * unit / Decimal(10) ** 18,
        )


class FlushPlanner:
    """Makes requests for the chains it has a node for and that have a sweeper."""

    name = "flush_planner"

    def __init__(
        self,
        db: Database,
        clock: Clock,
        entropy: Entropy,
        rpcs: Mapping[int, Caller],
        settings: FlushSettings | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._db = db
        self._clock = clock
        self._entropy = entropy
        self._rpcs = rpcs
        self._settings = settings or FlushSettings()
        self._failpoints = failpoints
        self.counters: Counter[tuple[int, str]] = Counter()
        self._collectors = CollectorWatch(db, self.counters)

    async def run_once(self) -> int:
        """How many requests were made; 0 when nothing is due.

        Raises: Retryable while a node is silent, once every other chain was planned.
        """
        async with self._db.read() as conn:
            served = [each for each in await networks.every(conn) if await _sweeps(conn, each)]
        done, silent = 0, None
        for network in served:
            if network.chain_id not in self._rpcs:
                continue
            try:
                done += await self._plan_chain(network)
            except Retryable as error:
                log.warning("flushes not planned", chain=network.chain_id, why=str(error))
                silent = silent or error
        if silent is not None:
            raise silent
        return done

    async def _plan_chain(self, network: Network) -> int:
        assert network.deposit_factory is not None, "a chain without a factory is not swept"
        async with self._db.read() as conn:
            lying = await self._lying(conn, network, network.deposit_factory)
        if not any(lying.values()):
            return 0
        rpc = self._rpcs[network.chain_id]
        price = await fee_oracle.price(rpc)
        if price.base_fee > self._settings.max_base_fee:
            self.counters[network.chain_id, "flush_waits_for_fee"] += 1
            log.info("flushes wait for the fee", chain=network.chain_id, base_fee=price.base_fee)
            return 0
        collector = await self._collectors.confirmed(rpc, network.chain_id)
        if collector is None:
            return 0
        done = 0
        for token in lying:
            done += await self._request(network, token, collector, price.base_fee + price.tip)
        return done

    async def _request(self, network: Network, token: Token, collector: Address, wei_per_gas: int) -> int:
        """Looks again under the lock, and makes the request that is due, if one is."""
        chain_id, factory, now = network.chain_id, network.deposit_factory, self._clock.now()
        assert factory is not None, "a chain without a factory is not swept"
        async with self._db.transaction() as conn:
            await flushes.serialize(conn, chain_id)
            lying = (await self._lying(conn, network, factory)).get(token, [])
            chosen = economy.due(
                lying, self._settings.economy(token), wei_per_gas=wei_per_gas, now=now
            )  # fmt: skip
            if not chosen:
                return 0
            flush_id = new_id(Prefix.FLUSH, self._clock, self._entropy)
            await flushes.insert(
                conn, flush_id, chain_id=chain_id, token_id=token.id, factory=factory, collector=collector,
                items=chosen, created_at=now,
            )  # fmt: skip
            self._failpoints.hit("planner.before_request")
        self._failpoints.hit("planner.after_request")
        self.counters[chain_id, "flushes_requested"] += 1
        log.info("flush requested", flush=flush_id, token=token.id, addresses=len(chosen))
        return 1

    async def _lying(
        self, conn: Connection, network: Network, factory: Address
    ) -> dict[Token, list[Lying]]:  # fmt: skip
        """What may be flushed of each token that is accepted and not suspended; nothing on a halted chain."""
        cursor = await blocks.cursor(conn, network.chain_id)
        if cursor is None or cursor.halted_reason is not None:
            return {}
        since: datetime = self._clock.now() - self._settings.retry_after
        accepted = [
            t
            for t in await tokens.every(conn)
            if t.chain_id == network.chain_id and t.accepted and t.suspended is None
        ]
        return {
            token: await flushes.lying(conn, network.chain_id, factory, token.id, since) for token in accepted
        }


async def _sweeps(conn: Connection, network: Network) -> bool:
    """Whether the chain has a factory and a wallet that calls it."""
    if network.deposit_factory is None:
        return False
    return await lanes.service_wallet(conn, network.chain_id, economy.LANE) is not None
