"""Lanes after a backup was put back that does not know them, or that paid in turn with others since."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.chain.vault import BATCH_PAID
from bascule.domain.chain import parse_address
from bascule.entrypoints.restoring import LaneCheck
from bascule.entrypoints.wiring import load
from bascule.services.lane_opening import LaneClosed
from bascule.services.lane_recovery import LaneRecovery
from bascule.services.pace import Pace
from bascule.services.together import Together
from bascule.storage import lanes
from tests.support.backups import Backups
from tests.support.chain import calldata
from tests.support.money_out import Treasury, payee
from tests.support.nodes import lying_node, no_guard

T = TypeVar("T")


async def check(stage: Treasury, *, dry_run: bool = False) -> dict[str, tuple[str, int | None]]:
    """What `bascule restore check` says of each lane: its state, and how many batches were taken over."""
    chain_id = stage.network.chain_id
    settings = load({"BASCULE_CHAINS": f"{chain_id}={stage.node.url}"})
    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)
    told = await LaneCheck(settings, stage.owner, {chain_id: rpc}, work, False, dry_run).run(())
    return {each["lane"]: (each["state"], each["batches"]) for each in told}


async def retire_at_vault(stage: Treasury, lane: int) -> None:
    """The vault's guardian ends the lane, finally."""
    data = calldata("retireLane(uint32)", [lane])
    receipt = await stage.node.transact(stage.node.accounts[3], to=stage.vault, data=data)
    assert receipt["status"] == "0x1"
    await stage.follow(3)


async def test_what_a_submitter_said_of_a_lane_is_no_reason_to_end_it_once_the_chain_agrees(
    stage: Treasury,
) -> None:
    """It stands in the rows until a submitter looks again; to retire a lane cannot be taken back."""
    chain_id, wallet = stage.network.chain_id, parse_address(stage.wallet.address)
    for why, state in (
        ("the chain counts 9 transactions of the wallet, of which 0 are known (says a node)", "open"),
        ("another lane of its vault, vault-3, is behind: something", "open"),
        ("the signer has signed nonce 4, those below 0 were given away", "closed"),
    ):
        async with stage.owner.transaction() as conn:
            await lanes.say_closed(conn, chain_id, wallet, why)
        rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
        settings = load({"BASCULE_CHAINS": f"{chain_id}={stage.node.url}"})
        work = LaneRecovery(stage.owner, stage.use_cases.outbox)
        [told] = await LaneCheck(settings, stage.owner, {chain_id: rpc}, work, True, False).run(())
        assert (told["state"], told["batches"]) == (state, 0), why
        assert ("--end 31337/vault-0" in told["next"]) is (state == "closed")
        assert "retire" not in told["next"]


async def test_vault_without_an_open_lane_on_a_chain_that_nobody_can_be_asked_of_says_so(
    stage: Treasury,
) -> None:
    """A lane that is in no row may have paid from it."""
    await stage.rows_change("UPDATE lanes SET state = 'retired'")
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)

    [told] = await LaneCheck(load({}), stage.owner, {}, work, False, False).run(())

    assert (told["lane"], told["state"]) == (f"{stage.network.chain_id}/{stage.vault}", "unknown")
    assert "BASCULE_CHAINS" in told["next"]


@pytest.mark.slow
async def test_lane_of_a_vault_whose_known_lanes_are_all_retired_is_taken_over_too(
    stage: Treasury, backups: Backups
) -> None:
    """Also where no row knows any lane of the vault, as before its first one."""
    await retire_at_vault(stage, 0)
    await stage.rows_change("UPDATE lanes SET state = 'retired'")
    waiting = await stage.approved("5.00", payee(1))
    copy = await backups.take(stage)
    await stage.run(await stage.submitter(lane=await stage.open_lane(1, 5)))
    assert await stage.status(waiting) == "paid"

    await backups.put_back(stage, copy)
    await stage.follow(3)

    assert await check(stage) == {"31337/vault-1": ("closed", 1)}
    assert await stage.status(waiting) == "paid"
    assert len(await stage.transfers_out()) == 1
    await stage.require_truth()


@pytest.mark.slow
async def test_what_a_lane_paid_that_was_opened_after_the_backup_is_not_paid_again(
    stage: Treasury, backups: Backups
) -> None:
    """No row knows that lane; the vault does."""
    waiting = await stage.approved("5.00", payee(1))
    copy = await backups.take(stage)
    lane = await stage.open_lane(1, 5)
    await stage.run(await stage.submitter(lane=lane))
    assert await stage.status(waiting) == "paid"
    moved = await stage.transfers_out()

    await backups.put_back(stage, copy)
    await stage.follow(3)
    for _ in range(2):
        with pytest.raises(LaneClosed, match="number 1, is in no row and has paid"):
            await stage.run()
    rows = "SELECT (SELECT count(*) FROM lanes), (SELECT count(*) FROM audit_log)"
    before = await stage.rows(rows)
    both = {"31337/vault-0": ("open", 0), "31337/vault-1": ("closed", None)}
    assert (await check(stage, dry_run=True), await stage.rows(rows)) == (both, before)
    assert await check(stage) == {"31337/vault-0": ("open", 0), "31337/vault-1": ("closed", 1)}
    assert await stage.status(waiting) == "paid"
    with pytest.raises(LaneClosed, match="vault-1, is behind"):
        await stage.run()
    await retire_at_vault(stage, 1)
    assert await check(stage) == {"31337/vault-0": ("open", 0), "31337/vault-1": ("retired", 0)}

    fresh = await stage.approved("9.00", payee(5))
    await stage.run()
    assert await stage.status(fresh) == "paid"
    assert await stage.transfers_out() == [*moved, (payee(5), 9_000_000)]
    await stage.require_truth()


async def test_lane_that_opens_reads_events_from_where_one_was_worked_last_and_at_first_from_where_we_began(
    stage: Treasury,
) -> None:
    """Not from the chain's first block, and no more because nothing was paid for long."""
    asked: list[tuple[int, int]] = []

    def keep(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and params[0]["topics"] == ["0x" + BATCH_PAID.hex()]:
            asked.append((int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)))
        return result

    await stage.rows_change("UPDATE networks SET start_block = 0")  # as `bascule chains publish` leaves it
    [(began,)] = await stage.rows("SELECT min(number) FROM blocks")
    opened_at: list[int] = []
    async with lying_node(stage.node.url) as node:
        node.twist = keep
        for _ in range(2):
            opened_at.append(stage.node.dev.chain.tagged("latest").number)
            await stage.run(await stage.submitter(url=node.url))
            await stage.follow(10)

    assert 0 < began < opened_at[0]
    assert asked == [(began, opened_at[0]), (opened_at[0], opened_at[1])]


class Assembled(Together):
    """The first look begins once so many have asked, however slowly they come."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self._missing, self._all_here = many, asyncio.Event()

    async def ask(self, what: Hashable, look: Callable[[], Awaitable[T]]) -> T:
        async def once_all_are_here() -> T:
            await self._all_here.wait()
            return await look()

        self._missing -= 1
        if not self._missing:
            self._all_here.set()
        return await super().ask(what, once_all_are_here)


@pytest.mark.slow
async def test_lanes_of_a_vault_that_open_together_ask_a_node_about_it_once(stage: Treasury) -> None:
    """One that opens waits for all of them: each by itself, their questions would grow with their square."""
    names = ["vault-0", *[await stage.open_lane(n, 4 + n) for n in range(1, 4)]]
    pace, asked = Pace(looking=Assembled(len(names))), list[str]()

    def keep(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getTransactionCount":
            asked.append(params[0])
        return result

    async with lying_node(stage.node.url) as node:
        node.twist = keep
        lanes = [
            await stage.submitter(lane=lane, holder=lane, url=node.url, pace=pace) for lane in names
        ]  # fmt: skip
        assert await asyncio.gather(*(lane.run_once() for lane in lanes)) == [0] * 4
        # of each wallet two tags; whoever comes while the first look is on its way shares the second
        assert set(Counter(asked).values()) == {4}
        assert len(set(asked)) == 4


@pytest.mark.slow
async def test_lanes_that_paid_in_turn_after_the_backup_are_both_taken_over(
    stage: Treasury, backups: Backups
) -> None:
    """How far one lane was read says nothing of the other."""
    second = await stage.open_lane(1, 5)
    copy = await backups.take(stage)
    for lane in ("vault-0", second, "vault-0"):
        await stage.approved("5.00", payee(1))
        await stage.run(await stage.submitter(lane=lane, holder=lane))

    await backups.put_back(stage, copy)
    await stage.follow(3)
    assert await check(stage) == {"31337/vault-0": ("closed", 2), "31337/vault-1": ("closed", 1)}
