"""What happens while workers die: everyday business, and a scene for each boundary it does not meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from bascule.domain import stops
from bascule.domain.chain import Address, checksum, parse_address
from bascule.services.failpoints import BOUNDARIES
from bascule.storage import addresses, signer_limits, signer_stops
from bascule.storage.signer_limits import HardLimits
from tests.support.anchors import Notary
from tests.support.chain import calldata
from tests.support.kill_acts import A_MONTH
from tests.support.kill_presented import presented
from tests.support.kill_world import ENTROPY, PAYER, World
from tests.support.money_out import FLOAT, LIMIT

Scene = Callable[[World], Awaitable[None]]
FEE_CAP = 1_000 * 10**9  # wei per gas, as the stage sets it


async def everyday(w: World) -> None:
    """A customer pays an intent; the treasury pays somebody."""
    intent = await w.intent()
    await w.pay(intent)
    payout = await w.payout()
    await w.rest()
    await w.require(payout, intent)


async def reorganised(w: World) -> None:
    """The payment's block is replaced, and so is the payout's."""
    intent = await w.intent()
    await w.pay(intent)
    payout = await w.payout()
    await w.work_at("submitter", 1)
    await w.stage.node.dev.mine()
    await w.work_at("watcher", 1)
    await w.stage.node.dev.reorg(1)
    await w.work_at("watcher", 3)
    await w.rest()
    await w.require(payout, intent)


async def told_early(w: World) -> None:
    """An intent succeeds as soon as its payment is in a block, long before that is final."""
    await w.stage.rows_change(
        "INSERT INTO early_policies (account_id, version, most, up_to, levels)"
        " SELECT id, 1, 10 ^ 21, '{}', '{}' FROM accounts WHERE kind = 'merchant'"
    )
    intent = await w.intent(policy={"finality": "depth:0"})
    await w.pay(intent)
    await w.stage.node.dev.mine()
    await w.work_at("watcher")
    await w.rest()
    await w.require(None, intent)
    early: LiteralString = "SELECT succeeded_by FROM payment_intents WHERE finality <> 'finalized'"
    assert await w.stage.rows(early) == [("depth:0",)]


async def opened_late(w: World) -> None:
    """An address becomes ours that held money before, and gets more."""
    late = Address(ENTROPY.bytes(20))
    data = calldata("transfer(address,uint256)", [checksum(late), 3_000_000])
    for _ in range(2):
        contract = checksum(w.stage.token.contract)
        await w.stage.node.send(w.stage.node.accounts[PAYER], to=contract, data=data)
        await w.stage.node.dev.mine()
        async with w.stage.owner.transaction() as conn:
            await addresses.add_own(conn, w.stage.network.chain_id, late, "collector")
    await w.work_at("watcher")
    await w.stage.node.dev.mine(3)
    await w.rest()


async def not_mined(w: World) -> None:
    """Nobody mines the bytes for a minute, so they are asked for at higher fees."""
    payout = await w.payout()
    await w.work_at("submitter", 3)
    w.stage.clock.advance(timedelta(seconds=61))
    await w.work_at("submitter")
    await w.rest()
    await w.require(payout, None)


async def fees_too_high(w: World) -> None:
    """The signer's fee cap is below what gas costs, until an operator raises it."""
    payout = await w.payout()
    await _limits(w, fee_cap=1)
    await w.work_at("submitter")
    await _limits(w)
    await w.rest()
    await w.require(payout, None)


async def refused_by_name(w: World) -> None:
    """The signer's own limit falls below a payout that is reserved; raised again, it is approved anew."""
    payout = await w.payout()
    await _stop(w, stopped=True)
    await w.work_at("submitter")  # reserves, and gets no signature
    await _limits(w, per_payout=1)
    await _stop(w, stopped=False)
    await w.work_at("submitter")
    await _limits(w)
    await w.rest()
    await w.approve(payout)
    await w.rest()
    await w.require(payout, None)


async def lapsed(w: World) -> None:
    """The approvals end before the submitter looks; new ones are given."""
    payout = await w.payout()
    w.stage.clock.advance(timedelta(days=4))
    await w.rest()
    await w.approve(payout)
    await w.rest()
    await w.require(payout, None)


async def vault_refuses(w: World) -> None:
    """The vault's limit would revert the batch; the payout waits until it is raised."""
    contract = w.stage.token.contract
    await w.stage.vault_owner("setLimit(address,uint96,uint32)", contract, 1, 86_400)
    payout = await w.payout()
    await w.work_at("submitter")
    await w.stage.vault_owner("setLimit(address,uint96,uint32)", contract, FLOAT, 86_400)
    await w.rest()
    await w.require(payout, None)


async def unpaid(w: World) -> None:
    """An intent that nobody pays expires and is closed."""
    now = int(w.stage.clock.now().timestamp())
    intent = await w.intent(expires_at=now + 30, closes_at=now + 60)
    for _ in range(2):
        w.stage.clock.advance(timedelta(seconds=31))
        await w.stage.node.dev.mine(3)
        await w.work_at("watcher", 1)
        for _ in range(4):
            w.stage.clock.advance(timedelta(seconds=1))
            await w.work("expirer")
    await w.rest()
    assert (await w.call(f"/v1/payment_intents/{intent['id']}"))["status"] == "canceled"


async def reported(w: World) -> None:
    """Finance asks for a report of what was paid."""
    intent = await w.intent()
    await w.pay(intent)
    await w.stage.node.dev.mine()
    await w.work("watcher")
    await w.rest()
    interval = {"interval_start": 1_700_000_000, "interval_end": 2_000_000_000}
    asked = {"report_type": "activity", "parameters": interval}
    run = await w.call("/v1/reporting/report_runs", asked)
    await w.work_at("reporter")
    await w.rest()
    made = await w.call(f"/v1/reporting/report_runs/{run['id']}")
    found = made["status"], made["rows"], len(made["files"])
    assert found == ("succeeded", 1, 1), made
    told: LiteralString = "SELECT count(*) FROM events WHERE type = 'reporting.report_run.succeeded'"
    assert await w.stage.rows(told) == [(1,)]


async def flushed(w: World) -> None:
    """What customers paid goes to the collector."""
    intent = await w.intent()
    await w.pay(intent)
    await w.stage.node.dev.mine()
    await w.work("watcher")
    await w.rest()
    await w.work_at("planner", 3)
    await w.rest()
    left = "SELECT id FROM deposits WHERE kind = 'payment' AND state = 'finalized' AND flushed_block IS NULL"
    assert await w.stage.rows(left) == [], "what is final was flushed"
    ends: LiteralString = (
        "SELECT (SELECT count(*) FROM slots s JOIN wallets w"
        "            ON (w.chain_id, w.address) = (s.chain_id, s.wallet)"
        "          WHERE s.kind = 'service' AND w.name = 'sweeper') - (SELECT count(*) FROM flushes),"
        " (SELECT count(*) FROM flushes WHERE state <> 'done'),"
        " (SELECT count(*) FROM flush_items WHERE outcome <> 'flushed')"
    )
    assert await w.stage.rows(ends) == [(0, 0, 0)], "each request had one nonce and moved its money"
    await w.require(None, intent)


async def called_off(w: World) -> None:
    """A payout is called off on its way: the vault gives up its id before the batch comes, which skips it."""
    payout = await w.payout()
    await w.work_at("submitter", 1)
    [(tx_hash,)] = await w.stage.rows(
        "SELECT '0x' || encode(a.tx_hash, 'hex')"
        " FROM attempts a JOIN slot_items i USING (chain_id, wallet, nonce)"
        " WHERE a.state = 'offered'"
    )
    await w.stage.node.rpc("bascule_dropTransaction", tx_hash)
    await w.call(f"/v1/payouts/{payout['id']}/cancel", {}, "treasury")
    await w.work_at("canceller")
    await w.stage.node.dev.mine(3)
    await w.work("watcher")
    await w.work("canceller")
    w.stage.clock.advance(timedelta(seconds=16))
    await w.rest()
    now = await w.call(f"/v1/payouts/{payout['id']}", None, "treasury")
    assert (now["status"], now["cancellation"]["status"]) == ("canceled", "canceled")
    service: LiteralString = (
        "SELECT count(*) FROM slots s JOIN wallets w ON (w.chain_id, w.address) = (s.chain_id, s.wallet)"
        " WHERE s.kind = 'service' AND w.name = 'canceller'"
    )
    assert await w.stage.rows(service) == [(1,)], "one request had one nonce"


async def anchored(w: World) -> None:
    """The head of what is sealed is written on chain, once."""
    notary = Notary(w.stage, w.worker_db)
    await notary.happens("a change")
    await notary.seal()
    await w.work_at("anchor_planner", 3)
    await w.work_at("anchor", 3)
    await w.rest()
    said: LiteralString = (
        "SELECT count(*), count(*) FILTER (WHERE a.outcome = 'done'), count(DISTINCT (t.wallet, t.nonce))"
        " FROM anchors AS a JOIN attempts AS t USING (chain_id, wallet, nonce)"
    )
    [(asked, done, nonces)] = await w.stage.rows(said)
    assert asked == done == nonces >= 1, "each head that was asked for has one nonce, and is on chain"


async def refunded(w: World) -> None:
    """A customer is given a part of the payment back, at the address the claim page was told."""
    intent = await w.intent()
    await w.pay(intent)
    await w.stage.node.dev.mine()
    await w.work("watcher")
    await w.rest()
    refund = await w.call("/v1/refunds", {"payment_intent": intent["id"], "amount": "4.00"})
    await w.claim(refund["next_action"]["url"], checksum(Address(ENTROPY.bytes(20))))
    await w.work_at("refunder", 3)
    waiting = await w.call(f"/v1/refunds/{refund['id']}")
    await w.approve({"id": waiting["payout"]}, "merchant")
    await w.rest()
    ended = await w.call(f"/v1/refunds/{refund['id']}")
    assert ended["status"] == "succeeded", ended
    given: LiteralString = (
        "SELECT count(*), sum(p.amount) FROM payouts p JOIN refunds r ON r.payout_identity = p.identity"
        " WHERE r.id = %s"
    )
    assert await w.stage.rows(given, refund["id"]) == [(1, 4_000_000)], "one refund has one payout"


async def billed(w: World) -> None:
    """An invoice is due tomorrow, and the books of a month long ago are closed."""
    line = {"description": "Lamp", "unit_amount": "1.00"}
    draft = await w.call("/v1/invoices", {"currency": w.stage.token.currency, "lines": [line]})
    due_at = int(w.stage.clock.now().timestamp()) + 86_400 + 5
    await w.call(f"/v1/invoices/{draft['id']}", {"due_at": due_at})
    invoice = await w.call(f"/v1/invoices/{draft['id']}/finalize", {})
    await w.stage.rows_change(A_MONTH)
    w.stage.clock.advance(timedelta(seconds=6))
    await w.work_at("biller", 4)
    await w.rest()
    told: LiteralString = "SELECT type FROM outbox WHERE object_id = %s ORDER BY id DESC LIMIT 2"
    assert await w.stage.rows(told, invoice["id"]) == [("invoice.due",), ("invoice.finalized",)]
    closed = await w.stage.rows("SELECT count(*) FROM ledger.period")
    assert await w.stage.rows("SELECT count(*) FROM invoiced_months") == closed


async def settled(w: World) -> None:
    """What a customer paid goes to the merchant's own address when the day is over, but for a reserve."""
    intent = await w.intent()
    await w.pay(intent)
    await w.stage.node.dev.mine()
    await w.work("watcher")
    await w.rest()
    said = {
        "network": "eip155:31337", "currency": "usdt", "interval": "daily", "reserve": "1.00",
        "to": checksum(Address(ENTROPY.bytes(20))),
    }  # fmt: skip
    await w.call("/v1/balance_settings", said)
    w.stage.clock.advance(timedelta(days=1))
    await w.work_at("settler", 5)
    [waiting] = (await w.call("/v1/settlements"))["data"]
    await w.approve({"id": waiting["payout"]}, "merchant")
    await w.rest()
    ended = await w.call(f"/v1/settlements/{waiting['id']}")
    assert (ended["period"], ended["status"]) == (1, "completed"), ended
    paid: LiteralString = "SELECT count(*), sum(amount) FROM payouts WHERE identity LIKE 'settlement:%%'"
    assert await w.stage.rows(paid) == [(1, 9_000_000)], "one period has one payout"


async def gas_left_over(w: World) -> None:
    """A final attempt's fee is not in the journal: no process of today leaves one so, an older one might."""
    payout = await w.payout()
    await w.rest()
    await w.require(payout, None)
    older: tuple[LiteralString, ...] = (
        "INSERT INTO slots (chain_id, wallet, nonce, kind, epoch, state, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas)"
        " SELECT chain_id, wallet, max(nonce) + 1000, 'fill', 1, 'final', 2, 1, 21000"
        " FROM slots WHERE wallet IN (SELECT wallet FROM lanes) GROUP BY 1, 2",
        "INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas, state, block_hash, block_number, succeeded, fee_paid)"
        " SELECT sha256(s.nonce::text::bytea), a.chain_id, a.wallet, s.nonce, a.raw, 2, 1, a.gas, 'final',"
        " a.block_hash, a.block_number, true, a.fee_paid"
        " FROM (SELECT * FROM attempts WHERE wallet IN (SELECT wallet FROM lanes) LIMIT 1) a,"
        " (SELECT max(nonce) AS nonce FROM slots) s",
    )
    for statement in older:
        await w.stage.rows_change(statement)
    await w.work_at("submitter")
    await w.rest()
    unbooked: LiteralString = (
        "SELECT tx_hash FROM attempts WHERE state = 'final' AND fee_paid > 0"
        " AND encode(tx_hash, 'hex') NOT IN (SELECT source_id FROM ledger.tx)"
    )
    assert await w.stage.rows(unbooked) == []


async def _stop(w: World, *, stopped: bool) -> None:
    """The signer's kill switch."""
    async with w.stage.owner.transaction() as conn:
        await signer_stops.set(conn, stops.ALL, stopped=stopped, reason="a scene")


async def _limits(w: World, *, per_payout: int = LIMIT, fee_cap: int = FEE_CAP) -> None:
    """The signer's own limits, as its operator sets them."""
    limits = HardLimits(per_payout, 5 * LIMIT, fee_cap, 16_000_000)
    async with w.stage.owner.transaction() as conn:
        await signer_limits.set(
            conn, w.stage.network.chain_id, vault=parse_address(w.stage.vault),
            token=Address(w.stage.token.contract), limits=limits,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Killed:
    """A scene and the boundaries at which workers die in it, each on both sides."""

    scene: Scene
    boundaries: tuple[str, ...]

    @property
    def armed(self) -> Mapping[str, int]:
        """Every failpoint of the boundaries, at its first hit."""
        names = {f"{b.worker}.{b.what}": b.names for b in BOUNDARIES}
        return {name: 1 for boundary in self.boundaries for name in names[boundary]}


# One boundary of each worker at a time: a worker dies twice, before and after, and others die beside it.
EVERYDAY = tuple(
    Killed(everyday, boundaries)
    for boundaries in (
        ("api.commit", "watcher.lease", "submitter.lease", "sequencer.commit"),
        ("api.response", "watcher.commit", "submitter.reserve", "dispatcher.claim"),
        ("watcher.finalize_commit", "submitter.sign", "dispatcher.send"),
        ("submitter.save", "signer.intent_commit", "dispatcher.settle", "watcher.proof"),
        ("submitter.send", "signer.bytes_commit", "reconciler.compare"),
        ("submitter.offered", "submitter.float", "schedule.claim", "watcher.sighting"),
        ("submitter.observe", "submitter.wallet", "schedule.finish"),
        ("submitter.final_commit",),
    )
)
SELDOM = (
    Killed(reorganised, ("watcher.reorg",)),
    Killed(told_early, ("watcher.early",)),
    Killed(opened_late, ("watcher.opening",)),
    Killed(not_mined, ("submitter.bump",)),
    Killed(fees_too_high, ("submitter.quote", "signer.refusal")),
    Killed(refused_by_name, ("submitter.refusal",)),
    Killed(lapsed, ("submitter.round",)),
    Killed(vault_refuses, ("submitter.wait",)),
    Killed(unpaid, ("expirer.expire", "expirer.close", "expirer.pass")),
    Killed(gas_left_over, ("submitter.gas",)),
    Killed(called_off, ("canceller.reserve",)),
    Killed(flushed, ("planner.request",)),
    Killed(anchored, ("anchor_planner.request", "anchor.reserve")),
    Killed(presented, ("facilitator.commit", "presenter.reserve", "presenter.wait", "presenter.outcome")),
    Killed(refunded, ("claim.commit", "refunder.step")),
    Killed(billed, ("biller.remind", "biller.month")),
    Killed(settled, ("settler.schedule", "settler.step")),
    Killed(reported, ("reporter.claim", "reporter.finish")),
)
# The sweeper is a submitter too; here nobody else has anything to send.
SWEEPING = tuple(
    Killed(flushed, boundaries)
    for boundaries in (
        ("submitter.reserve", "submitter.save", "submitter.offered", "submitter.final_commit"),
        ("submitter.sign", "submitter.send", "submitter.observe",
         "signer.intent_commit", "signer.bytes_commit"),
    )
)  # fmt: skip
# Watchers of a fresh, halted or doubted chain: test_money_in_{failures,reorgs,halts,nodes}.py.
WATCHER_ALONE = ("watcher.start", "watcher.halt", "watcher.resume", "watcher.disagreements")
# Processes that only `bascule dev` has: tests/slow/test_kills.py.
WHOLE_PROCESSES = ("setup.write", "setup.send", "setup.commit", "setup.keys", "chain.append")
