"""After a restore: no deposit address is shown twice, and money sent to a lost one is found.

A restored database forgets the addresses that were shown after its backup was taken. So the next epoch
begins, whose addresses nobody has seen, and those that may have been shown are watched without an intent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bascule.domain import forwarder
from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Halted, Retryable
from bascule.storage import address_epochs, audit, networks, payment_intents
from bascule.storage.address_epochs import Epoch
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network

AT_ONCE = 20_000  # addresses in one transaction: some MB, and what a kill makes to be done again


class RestoreUnchecked(Retryable):
    """Addresses that were shown may be missing here; nothing is issued before that is settled."""

    def __init__(self, why: str, next_step: str = "run `bascule restore check`") -> None:
        super().__init__(why)
        self.next_step = next_step


def forgotten(epoch: Epoch) -> None:
    """Keeps nothing."""


@dataclass
class LogSeen:
    """How far the database's log was seen; where it ends earlier, older files were put back.

    epoch: in which an earlier process saw that, settled by a check that began a later one; None: this process
    saw it. keep: is told what this one sees.
    """

    server: str = ""
    flushed: int = 0
    epoch: int | None = None
    keep: Callable[[Epoch], None] = forgotten

    async def current(self, conn: Connection) -> Epoch:
        """The epoch of now. Raises: RestoreUnchecked when the same server's log ends before what was seen."""
        server, before, settled = self.server, self.flushed, self.epoch
        epoch = await address_epochs.current(conn)
        known = settled is None or epoch.epoch <= settled
        if known and epoch.server == server and epoch.flushed < before:
            raise RestoreUnchecked(
                f"the database's log went back from byte {before} to {epoch.flushed}: these are older files",
                "run `bascule restore check --restored`, then start every process again",
            )
        if settled is not None or epoch.server != self.server or epoch.flushed > self.flushed:
            self.server, self.flushed, self.epoch = epoch.server, epoch.flushed, None
            self.keep(epoch)
        return epoch


def sign(epoch: Epoch, configured: int) -> str | None:
    """What says that addresses are missing; None where nothing does. configured: `deposit_epoch`."""
    if not epoch.checked:
        return f"the restore check that began epoch {epoch.epoch} has not finished"
    if not epoch.same_server:
        return "the database was put back from a dump, or is on another server or timeline, than it was"
    if configured > epoch.epoch:
        return f"the configuration is in epoch {configured}, the database in {epoch.epoch}"
    return None


async def require_checked(conn: Connection, configured: int, seen: LogSeen | None = None) -> None:
    """Returns when addresses may be issued in the configured epoch. Raises: RestoreUnchecked."""
    epoch = await (seen or LogSeen()).current(conn)
    if (why := sign(epoch, configured)) is not None:
        raise RestoreUnchecked(why)
    if configured < epoch.epoch:
        raise RestoreUnchecked(
            f"the database is in epoch {epoch.epoch} of deposit addresses, the configuration in {configured}",
            f"set BASCULE_DEPOSIT_EPOCH={epoch.epoch}; it outlives the database on purpose",
        )


async def require_known(conn: Connection, seen: LogSeen | None = None) -> None:
    """Returns when every address that was shown is watched, as far as the database can say.

    seen: what this process knows besides. Raises: RestoreUnchecked.
    """
    epoch = await (seen or LogSeen()).current(conn)
    if (why := sign(epoch, epoch.epoch)) is not None:
        raise RestoreUnchecked(why)


@dataclass(frozen=True, slots=True)
class Lost:
    """Addresses of one epoch on one network that may have been shown: their numbers."""

    chain_id: ChainId
    factory: Address
    implementation: Address
    epoch: int
    numbers: range


@dataclass(frozen=True)
class Restore:
    """The check, in steps that each commit. db: under the owner's login; seed: that of the addresses."""

    db: Database
    seed: bytes

    async def nothing_lost(self) -> Epoch:
        """Goes on at a server of another identity: a failover that lost nothing, or an upgrade. Audited."""
        async with self.db.transaction() as conn:
            await address_epochs.lock(conn)
            await address_epochs.adopt(conn)
            epoch = await address_epochs.current(conn)
            details = {"epoch": epoch.epoch}
            await audit.append(
                conn, actor="cli", action="restore.nothing_lost", object_id="restore", details=details
            )
        return epoch

    async def foresee(self, configured: int, gap: int) -> Epoch:
        """The epoch that `begin` would answer; nothing is changed."""
        async with self.db.read() as conn:
            return await _next(conn, await address_epochs.current(conn), configured, gap)

    async def begin(self, configured: int, gap: int) -> Epoch:
        """The epoch to finish: one that a check began and did not end, else a new one. Audited.

        Raises: Halted when the seed is not the one that made the addresses.
        """
        async with self.db.transaction() as conn:
            await address_epochs.lock(conn)
            await self._require_seed(conn)
            before = await address_epochs.current(conn)
            epoch = await _next(conn, before, configured, gap)
            if epoch is before:
                return epoch
            await address_epochs.begin(
                conn, epoch.epoch, known=epoch.known, first_n=epoch.first_n, gap=epoch.gap
            )
            details = {"epoch": epoch.epoch, "first_n": epoch.first_n, "gap": epoch.gap}
            await audit.append(
                conn, actor="cli", action="restore.begin", object_id="restore", details=details
            )
        return epoch

    async def plan(self, epoch: Epoch) -> list[Lost]:
        """What may have been shown and is to be watched, network by network."""
        async with self.db.read() as conn:
            served = await networks.every(conn)
        return [
            Lost(network.chain_id, network.deposit_factory, _implementation(network), each, numbers)
            for network in served
            if network.deposit_factory is not None
            for each, numbers in _lost(epoch)
        ]

    async def watch(self, lost: Lost, stored: Callable[[int], None]) -> None:
        """Stores the addresses, part after part; killed, the next call goes on where this one was.

        stored: told how many more are.
        """
        async with self.db.read() as conn:
            watched = await payment_intents.lost_up_to(conn, lost.chain_id, lost.factory, lost.epoch)
        start = max(lost.numbers.start, watched + 1)
        stored(start - lost.numbers.start)
        for first in range(start, lost.numbers.stop, AT_ONCE):
            part = range(first, min(first + AT_ONCE, lost.numbers.stop))
            made = forwarder.clone_addresses(lost.factory, lost.implementation, self.seed, lost.epoch, part)
            async with self.db.transaction() as conn:
                found = zip(made, part, strict=True)
                await payment_intents.insert_lost(
                    conn, lost.chain_id, found, factory=lost.factory, epoch=lost.epoch
                )
            stored(len(part))

    async def finish(self, epoch: Epoch) -> None:
        """Opens the epoch. Audited."""
        async with self.db.transaction() as conn:
            await address_epochs.lock(conn)
            await address_epochs.finish(conn, epoch.epoch)
            details = {"epoch": epoch.epoch}
            await audit.append(
                conn, actor="cli", action="restore.finish", object_id="restore", details=details
            )

    async def _require_seed(self, conn: Connection) -> None:
        made = await address_epochs.newest_address(conn)
        if made is None:
            return
        network = await networks.get(conn, made.chain_id)
        assert network is not None, "an address has a network"
        salt = forwarder.salt(self.seed, made.epoch, made.n)
        if forwarder.clone_address(made.factory, _implementation(network), salt) != made.address:
            raise Halted(
                "BASCULE_DEPOSIT_SEED is not the seed that made the addresses in this database;"
                " use the one that was backed up with it"
            )


async def _next(conn: Connection, before: Epoch, configured: int, gap: int) -> Epoch:
    if not before.checked:
        return before
    return replace(
        before,
        epoch=max(before.epoch, configured) + 1,
        known=before.epoch,
        first_n=await address_epochs.next_number(conn),
        gap=gap,
        checked=False,
        same_server=True,
    )


def _implementation(network: Network) -> Address:
    assert network.deposit_factory is not None, "only networks with a factory have deposit addresses"
    return network.forwarder or forwarder.implementation_address(network.deposit_factory)


def _lost(epoch: Epoch) -> list[tuple[int, range]]:
    """The numbers that may have been issued and lost, by epoch.

    One that the database does not know began after an older restore, perhaps at a lower number: from 0 on.
    """
    stop = epoch.first_n + epoch.gap
    return [
        (each, range(epoch.first_n if each == epoch.known else 0, stop))
        for each in range(epoch.known, epoch.epoch)
    ]
