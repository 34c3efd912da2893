"""The networks we serve and the contracts we have there."""

from dataclasses import dataclass

from bascule.domain.chain import Address, ChainId, Unproven
from bascule.domain.finality import FinalityPolicy
from bascule.storage import payment_intents
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("networks")


@dataclass(frozen=True, slots=True)
class Network:
    """One chain. start_block: the first block whose state we take over; 0: the finalized one at first sight.

    forwarder: the implementation the deposit addresses point at; collector: where flushes go; collector_next:
    where they will go, confirmed by an operator while it is scheduled (never published).
    """

    chain_id: ChainId
    name: str
    livemode: bool
    finality: FinalityPolicy
    vault: Address | None
    deposit_factory: Address | None
    forwarder: Address | None
    collector: Address | None
    start_block: int = 0
    explorer_url: str = ""
    collector_next: Address | None = None


async def publish(conn: Connection, network: Network) -> None:
    """Adds the network, or replaces its settings. Deposit addresses of its factory become ours there too."""
    await _sql.run(
        conn,
        "publish",
        chain_id=network.chain_id,
        name=network.name,
        livemode=network.livemode,
        finality_kind=network.finality.kind,
        finality_depth=network.finality.depth,
        vault=network.vault,
        deposit_factory=network.deposit_factory,
        forwarder=network.forwarder,
        collector=network.collector,
        start_block=network.start_block,
        explorer_url=network.explorer_url,
    )
    await payment_intents.bind_addresses(conn, network.chain_id)


async def set_finality(conn: Connection, chain_id: ChainId, policy: FinalityPolicy) -> None:
    """What makes a block of the network final from now on."""
    await _sql.run(conn, "set_finality", chain_id=chain_id, kind=policy.kind, depth=policy.depth)


async def unproven(conn: Connection, chain_id: ChainId) -> Unproven | None:
    """Of what a chain's headers were learned to prove nothing."""
    row = await _sql.maybe(conn, "unproven", chain_id=chain_id)
    return None if row is None else row["unproven"]


async def learn(conn: Connection, chain_id: ChainId, unproven: Unproven) -> bool:
    """It was learned, for every process; what was learned first stays. True: this was the first."""
    return await _sql.run(conn, "learn", chain_id=chain_id, unproven=unproven) == 1


async def forget(conn: Connection, chain_id: ChainId) -> None:
    """Whatever was learned of its headers counts no more."""
    await _sql.run(conn, "forget", chain_id=chain_id)


async def confirm_collector(
    conn: Connection, chain_id: ChainId, collector: Address, *, scheduled: bool
) -> None:
    """The operator's word for a collector: it is in place, or scheduled and known of."""
    query = "confirm_next_collector" if scheduled else "confirm_collector"
    await _sql.run(conn, query, chain_id=chain_id, collector=collector)


async def get(conn: Connection, chain_id: ChainId) -> Network | None:
    """The network with this chain id, if we serve it."""
    row = await _sql.maybe(conn, "get", chain_id=chain_id)
    return None if row is None else _network(row)


async def deposit_factories(conn: Connection, chain_id: ChainId) -> list[Address]:
    """The factory of the network's deposit addresses; none where there is none."""
    rows = await _sql.all(conn, "deposit_factories", chain_id=chain_id)
    return [Address(row["deposit_factory"]) for row in rows]


async def every(conn: Connection) -> list[Network]:
    """All networks, by chain id."""
    return [_network(row) for row in await _sql.all(conn, "every")]


async def known(conn: Connection) -> str:
    """A word for all we know of networks and tokens: another after each change of any of them."""
    return str(await _sql.scalar(conn, "known"))


def _network(row: Row) -> Network:
    return Network(
        chain_id=row["chain_id"],
        name=row["name"],
        livemode=row["livemode"],
        finality=FinalityPolicy(row["finality_kind"], row["finality_depth"]),
        vault=row["vault"],
        deposit_factory=row["deposit_factory"],
        forwarder=row["forwarder"],
        collector=row["collector"],
        start_block=row["start_block"],
        explorer_url=row["explorer_url"],
        collector_next=row["collector_next"],
    )
