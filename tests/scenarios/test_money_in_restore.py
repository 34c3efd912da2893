"""Stories of a database put back from an older backup: no address shown twice, none of those lost."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bascule.domain.chain import checksum
from bascule.domain.errors import Halted
from bascule.services import restore
from bascule.services.intents import Intents
from bascule.services.restore import Restore, RestoreUnchecked
from bascule.services.seams import SystemEntropy
from bascule.storage import address_epochs, reconciliations
from bascule.storage.address_epochs import Epoch
from bascule.storage.database import Database
from tests.support.crashing import Crash
from tests.support.money_in import Bridge, bridge, deposit_address
from tests.support.postgres import TestServer

SEED = bytes(32)
GAP = 50


class Backups:
    """The databases of a story: the one that lives, and copies of it from earlier."""

    def __init__(self, server: TestServer, name: str) -> None:
        self.server, self.name, self.copies = server, name, 0
        self.opened: list[Database] = []

    async def open(self, role: str) -> Database:
        made = await Database(self.server.url_of(self.name, role), name=role, pool_size=4).open()
        self.opened.append(made)
        return made

    async def close(self) -> None:
        for database in self.opened:
            await database.close()
        self.opened.clear()

    async def reopen(self, b: Bridge) -> None:
        """Every process starts again, on the database that lives now."""
        b.owner, b.api, b.db = await self.open("owner"), await self.open("api"), await self.open("watcher")
        b.watchers.clear()

    async def take(self, b: Bridge) -> str:
        """A backup; business goes on afterwards."""
        for watcher in b.watchers:
            await watcher.release()
        await self.close()
        self.copies += 1
        copy = f"{self.name}_backup_{self.copies}"
        self.server.create(copy, template=self.name)
        await self.reopen(b)
        return copy

    async def put_back(self, b: Bridge, copy: str) -> None:
        """The living database is lost; the backup takes its place, and stays."""
        await self.close()
        self.server.drop(self.name)
        self.server.create(self.name, template=copy)
        await self.reopen(b)


@pytest.fixture
def backups(postgres_server: TestServer, database_name: str) -> Iterator[Backups]:
    made = Backups(postgres_server, database_name)
    yield made
    for number in range(made.copies):
        postgres_server.drop(f"{database_name}_backup_{number + 1}")


@pytest.fixture
async def b(backups: Backups) -> AsyncIterator[Bridge]:
    async with bridge(backups.open) as made:
        yield made
        if await made.rows("SELECT FROM blocks LIMIT 1"):
            await made.require_chain_and_rows_agree()
    await backups.close()


async def moved(b: Bridge) -> None:
    """The epoch began on another server than this one."""
    async with b.owner.transaction() as conn:
        await conn.execute("UPDATE address_epochs SET identity = '7/00000001'")


def issuing(b: Bridge, epoch: int) -> None:
    """The API is started with this epoch in its configuration."""
    b.use_cases = Intents(b.clock, SystemEntropy(), b.outbox, deposit_seed=SEED, deposit_epoch=epoch)


async def checked(b: Bridge, configured: int = 0, gap: int = GAP) -> Epoch:
    """The operator runs the check, and starts the API as it says."""
    work = Restore(b.owner, SEED)
    epoch = await work.begin(configured, gap)
    for lost in await work.plan(epoch):
        await work.watch(lost, lambda _: None)
    await work.finish(epoch)
    issuing(b, epoch.epoch)
    return epoch


async def test_money_sent_to_an_address_that_the_backup_does_not_know_is_found(
    b: Bridge, backups: Backups
) -> None:
    await b.settle_down(await b.started())
    kept = await b.intent("10.00")
    copy = await backups.take(b)
    lost = [deposit_address(await b.intent("20.00")) for _ in range(3)]

    await backups.put_back(b, copy)
    epoch = await checked(b)
    assert (epoch.epoch, epoch.known, epoch.first_n) == (1, 0, 1)
    fresh = [deposit_address(await b.intent("30.00")) for _ in range(3)]
    watcher = b.watcher()
    await b.send(lost[2], "20.00")
    await b.pay(kept, "10.00")
    await b.finalize(watcher)

    assert not set(fresh) & {*lost, deposit_address(kept)}
    assert (await b.shown(kept))["status"] == "succeeded"
    found = {d["to"]: d for d in await b.deposits()}
    assert (found[lost[2]]["status"], found[lost[2]]["unapplied_reason"]) == ("finalized", "no_intent")
    assert await b.booked() == {
        "custody:forwarders": 30_000_000,
        "available:merchant": -10_000_000,
        "suspense:operator": -20_000_000,
    }
    assert await b.rows("SELECT account_id, livemode FROM deposits WHERE amount = 20000000") == [
        ("acct_operator", False)
    ]


async def test_money_that_came_before_the_check_is_found_as_long_as_transfers_of_others_are_kept(
    b: Bridge, backups: Backups
) -> None:
    await b.settle_down(await b.started())
    copy = await backups.take(b)
    lost = deposit_address(await b.intent("20.00"))
    await backups.put_back(b, copy)
    watcher = b.watcher()
    await b.send(lost, "20.00")
    await b.finalize(watcher)
    assert await b.deposits() == []

    await checked(b)
    await b.finalize(watcher)

    [deposit] = await b.deposits()
    assert (deposit["to"], deposit["status"], deposit["unapplied_reason"]) == (lost, "finalized", "no_intent")


async def test_no_address_is_issued_before_a_restore_is_checked(b: Bridge, backups: Backups) -> None:
    await b.settle_down(await b.started())
    await moved(b)

    for refused in (b.intent(), _require_known(b)):
        with pytest.raises(RestoreUnchecked, match="another server") as caught:
            await refused
        assert caught.value.next_step == "run `bascule restore check`"
    await Restore(b.owner, SEED).begin(0, GAP)
    issuing(b, 1)
    with pytest.raises(RestoreUnchecked, match="has not finished"):
        await b.intent()
    assert await b.rows("SELECT id FROM payment_intents") == []

    await checked(b)
    await b.intent()


async def test_process_that_saw_more_of_the_log_than_there_is_goes_no_further(b: Bridge) -> None:
    """Older files were put back under it: the server is the same, so nothing else tells."""
    watcher = await b.started()
    await b.settle_down(watcher)
    await b.intent()
    for seen in (watcher._log_seen, b.use_cases.log_seen):
        assert seen.flushed > 0
        seen.flushed += 1 << 40

    for refused in (b.intent(), watcher.run_once()):
        with pytest.raises(RestoreUnchecked, match="older files") as caught:
            await refused
        assert "restore check --restored" in caught.value.next_step


async def test_running_watcher_stops_when_the_database_under_it_is_another(b: Bridge) -> None:
    watcher = await b.started()
    await b.settle_down(watcher)
    await b.mine()
    before = await b.rows("SELECT next_number FROM cursors")
    await moved(b)

    with pytest.raises(RestoreUnchecked, match="another server"):
        await watcher.run_once()

    assert await b.rows("SELECT next_number FROM cursors") == before
    await checked(b)
    await b.settle_down(watcher)


async def _require_known(b: Bridge) -> None:
    async with b.db.read() as conn:
        await restore.require_known(conn)


async def test_a_server_that_lost_nothing_goes_on_in_its_epoch(b: Bridge, backups: Backups) -> None:
    await moved(b)

    epoch = await Restore(b.owner, SEED).nothing_lost()

    assert (epoch.epoch, epoch.same_server) == (0, True)
    await b.intent()
    assert await b.rows("SELECT action FROM audit_log") == [("restore.nothing_lost",)]


async def test_the_configuration_must_name_the_epoch_that_the_database_is_in(
    b: Bridge, backups: Backups
) -> None:
    await checked(b)

    issuing(b, 0)
    with pytest.raises(RestoreUnchecked, match="is in epoch 1") as behind:
        await b.intent()
    assert "BASCULE_DEPOSIT_EPOCH=1" in behind.value.next_step
    issuing(b, 2)
    with pytest.raises(RestoreUnchecked, match="configuration is in epoch 2"):
        await b.intent()


async def test_a_second_restore_of_the_same_backup_issues_nothing_of_the_first(
    b: Bridge, backups: Backups
) -> None:
    await b.settle_down(await b.started())
    await b.intent()
    copy = await backups.take(b)
    before = deposit_address(await b.intent("1.00"))
    await backups.put_back(b, copy)
    await checked(b)
    between = deposit_address(await b.intent("2.00"))

    await backups.put_back(b, copy)
    with pytest.raises(RestoreUnchecked, match="configuration is in epoch 1"):
        await b.intent()
    epoch = await checked(b, configured=1)

    assert (epoch.epoch, epoch.known) == (2, 0)
    after = deposit_address(await b.intent("3.00"))
    assert len({before, between, after}) == 3
    watcher = b.watcher()
    await b.send(before, "1.00")
    await b.send(between, "2.00")
    await b.mine()
    await b.finalize(watcher)
    assert {d["to"]: d["unapplied_reason"] for d in await b.deposits()} == {
        before: "no_intent",
        between: "no_intent",
    }


async def test_a_check_that_is_killed_goes_on_where_it_was(
    b: Bridge, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "AT_ONCE", 10)
    work = Restore(b.owner, SEED)
    epoch = await work.begin(0, GAP)
    [lost] = await work.plan(epoch)
    parts: list[int] = []

    def dying(count: int) -> None:
        parts.append(count)
        if sum(parts) == 20:
            raise Crash

    with pytest.raises(Crash):
        await work.watch(lost, dying)
    assert await b.rows("SELECT count(*) FROM deposit_addresses") == [(20,)]

    again = await work.begin(0, 7)
    assert again == epoch
    resumed: list[int] = []
    await work.watch(lost, resumed.append)
    await work.watch(lost, resumed.append)
    await work.finish(again)

    assert resumed == [20, 10, 10, 10, 50]
    rows = await b.rows("SELECT address, n, epoch, intent_id FROM deposit_addresses ORDER BY n")
    assert [(n, e, i) for _, n, e, i in rows] == [(n, 0, None) for n in range(GAP)]
    issuing(b, 1)
    await b.intent()
    assert [a for (a,) in await b.rows("SELECT action FROM audit_log ORDER BY id")] == [
        "restore.begin",
        "restore.finish",
    ]


async def test_another_seed_than_the_one_that_made_the_addresses_is_refused(
    b: Bridge, backups: Backups
) -> None:
    await b.intent()

    with pytest.raises(Halted, match="BASCULE_DEPOSIT_SEED"):
        await Restore(b.owner, b"\x01" * 32).begin(0, GAP)

    async with b.owner.read() as conn:
        assert (await address_epochs.current(conn)).epoch == 0


async def test_balances_of_watched_addresses_are_asked_for_where_something_came(
    b: Bridge, backups: Backups
) -> None:
    """The reconciliation asks a node for each holder: not for a million that hold nothing."""
    await b.settle_down(await b.started())
    copy = await backups.take(b)
    lost = deposit_address(await b.intent("20.00"))
    await backups.put_back(b, copy)
    await checked(b)
    await b.send(lost, "20.00")
    await b.mine()
    await b.finalize(b.watcher())

    async with b.owner.read() as conn:
        [subject] = await reconciliations.subjects(conn)
        holders = [checksum(address) for address in await reconciliations.holders(conn, subject)]
    assert holders.count(lost) == 1
    assert len(holders) == 4  # vault, collector, wallet
