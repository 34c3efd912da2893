"""Random histories of money out: people, crashes, reorganisations and a lying node, in any order.

A history is made from a seed and told step by step; whatever it does, the chain's own word is held against
the rows after it (`Treasury.require_truth`), and in the end everything that was approved is settled.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bascule.domain.chain import checksum
from bascule.domain.errors import Rejected, Retryable
from bascule.services.failpoints import FAILPOINTS, NO_FAILPOINTS, Failpoints
from bascule.services.submitter import Submitter
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.money_out import FLOAT, Treasury, payee
from tests.support.money_out_setup import LANE_NAME

SUBMITTER_DIES = [name for name in FAILPOINTS if name.startswith("submitter.")]
SIGNER_DIES = [name for name in FAILPOINTS if name.startswith("signer.")]
PAYEES = 5  # few, so that a blacklisted one is paid again and again


SEND = ["eth_sendRawTransaction"]
MOODS: dict[str, dict[str, Any] | None] = {
    "honest": None,
    "deaf": {"kind": "swallow"},
    "hangs up": {"kind": "drop", "methods": SEND, "forwarded": True},
    "denies": {
        "kind": "error", "client": "geth", "says": "nonce_too_low", "methods": SEND, "forwarded": True,
    },
    "blind": {"kind": "null", "methods": ["eth_getTransactionReceipt"]},
    "behind": {"kind": "lag", "blocks": 2},
    "garbled": {"kind": "cut", "chance": 0.3},
}  # fmt: skip


@dataclass
class Node:
    """The node as the submitters see it, with moods."""

    proxy: FaultProxy

    @property
    def url(self) -> str:
        return self.proxy.url

    def take(self, mood: str) -> None:
        """Behaves that way from now on."""
        self.proxy.clear()
        fault = MOODS[mood]
        if fault is not None:
            self.proxy.faults.set(fault)


@asynccontextmanager
async def moody_node(stage: Treasury) -> AsyncIterator[Node]:
    """A node before the stage's own, with moods."""
    async with fault_proxy(stage.node.url) as proxy:
        yield Node(proxy)


@dataclass
class History:
    """One history. told: what happened, for whoever looks at a failure."""

    stage: Treasury
    node: Node
    chance: random.Random
    lanes: tuple[str, ...] = (LANE_NAME,)
    told: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    working: dict[tuple[str, str], Submitter] = field(default_factory=dict)
    blacklisted: set[str] = field(default_factory=set)
    limited: bool = False
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    one_watcher: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, steps: int) -> None:
        """Lives through `steps` and settles; the truth is required all along."""
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self._request),
            (10, self._approve),
            (1, self._call_off),
            (16, self._work),
            (8, self._mine),
            (3, self._reorganise),
            (2, self._crash_submitter),
            (1, self._crash_signer),
            (1, self._take_over),
            (2, self._change_mood),
            (3, self._pass_time),
            (1, self._issuer_blacklists),
            (1, self._owner_limits),
        ]
        weights, doings = [weight for weight, _ in acts], [act for _, act in acts]
        for number in range(steps):
            together = self.chance.choice((1, 1, 2, 3))
            chosen = self.chance.choices(doings, weights, k=together)
            await asyncio.gather(*(act() for act in chosen))
            if number % 8 == 7:
                await self.stage.require_truth()
        await self._settle()

    # ── people ──

    async def _request(self) -> None:
        number = len(self.asked) + 1
        known = [payout for payout in self.asked if payout["id"]]
        if known and self.chance.random() < 0.2:  # the same again, as a client that lost the answer
            old = self.chance.choice(known)
            again = await self.stage.request(old["amount"], old["to"], client_reference_id=old["identity"])
            assert again["id"] == old["id"], "one identity pays once"
            return
        identity, to = f"order-{number}-{self.chance.random()}", payee(self.chance.randrange(PAYEES))
        amount = (
            f"{number}.{self.chance.randrange(100):02d}"  # no two alike, so that each Transfer has one owner
        )
        self.asked.append({"id": "", "amount": amount, "to": to, "identity": identity})
        mine = self.asked[-1]
        mine |= {"id": (await self.stage.request(amount, to, client_reference_id=identity))["id"]}
        self.told.append(f"requested {mine['id']} of {amount} to {to}")

    async def _approve(self) -> None:
        waiting = [payout for payout in self.asked if payout["id"]]
        for payout in self.chance.sample(waiting, min(3, len(waiting))):
            people = self.chance.sample((1, 2, 3), self.chance.choice((1, 2, 2)))
            await self._asked_of_api("approve", self.stage.approve, payout, *people)

    async def _call_off(self) -> None:
        if self.asked and (payout := self.chance.choice(self.asked))["id"]:
            act = self.chance.choice((self.stage.cancel, self.stage.reject))
            await self._asked_of_api(act.__name__, act, payout)

    async def _asked_of_api(self, name: str, act: Callable[..., Awaitable[Any]], *args: Any) -> None:
        try:
            await act(*args)
            self.told.append(f"{name} {args[0]['id']} {args[1:]}")
        except (Rejected, TypeError):  # not in a state for that; there is nothing to sign
            pass

    # ── processes ──

    async def _work(self) -> None:
        for key in self.chance.sample([(lane, holder) for lane in self.lanes for holder in "ab"], 1):
            await self._step(*key)

    async def _step(self, lane: str, holder: str) -> None:
        submitter = self.working.get((lane, holder)) or await self._start(lane, holder)
        try:
            await submitter.run_once()
        except Retryable as waits:
            self.told.append(f"{lane} {holder} waits: {waits}")
        except Crash as crash:
            self.told.append(f"{lane} {holder} dies at {crash}")
            self.working.pop((lane, holder), None)

    async def _start(self, lane: str, holder: str, failpoints: Failpoints = NO_FAILPOINTS) -> Submitter:
        made = await self.stage.submitter(
            holder=f"{holder}{len(self.told)}",
            failpoints=failpoints,
            url=self.node.url,
            lane=lane,
            max_items=5,
        )
        self.working[lane, holder] = made
        return made

    async def _take_over(self) -> None:
        await self.stage.rows_change("UPDATE leases SET expires_at = now() WHERE name LIKE 'submitter%%'")
        self.told.append("leases ran out")

    async def _crash_submitter(self) -> None:
        name, lane, holder = self.chance.choice(SUBMITTER_DIES), self.chance.choice(self.lanes), "a"
        await self._take_over()
        await self._start(lane, holder, Crashing(name, self.chance.choice((1, 1, 2))))
        await self._step(lane, holder)

    async def _crash_signer(self) -> None:
        name = self.chance.choice([*SIGNER_DIES, None])
        async with self.one_at_a_time:
            await self.stage.start_signer(Crashing(name) if name else NO_FAILPOINTS)
        self.told.append(f"signer dies next at {name}")

    # ── the world ──

    async def _mine(self) -> None:
        await self.stage.node.dev.mine(self.chance.choice((1, 1, 2, 3)))
        if self.chance.random() < 0.8:
            await self._watch()

    async def _watch(self) -> None:
        try:
            async with self.one_watcher:
                await self.stage.follow()
        except Retryable as waits:
            self.told.append(f"watcher waits: {waits}")

    async def _reorganise(self) -> None:
        sent = await self.stage.rows("SELECT tx_hash FROM attempts ORDER BY created_at DESC LIMIT 2")
        drop = ["0x" + tx_hash.hex() for (tx_hash,) in sent if self.chance.random() < 0.5]
        depth = self.chance.choice((1, 2))  # two blocks on top make one final
        await self.stage.node.dev.reorg(depth, drop=drop)
        self.told.append(f"reorganised {depth} without {drop}")

    async def _change_mood(self) -> None:
        mood = self.chance.choice(("honest", "honest", *MOODS))
        self.node.take(mood)
        self.told.append(f"the node is {mood}")

    async def _pass_time(self) -> None:
        seconds = self.chance.choice((5, 20, 61, 61, 61, 130, 130, 700, 1_900, 1_900, 4 * 86_400))
        self.stage.clock.advance(timedelta(seconds=seconds))
        self.told.append(f"{seconds} s pass")

    async def _issuer_blacklists(self) -> None:
        who = payee(self.chance.randrange(PAYEES))
        name = "unBlacklist(address)" if who in self.blacklisted else "blacklist(address)"
        self.blacklisted ^= {who}
        await self._by_issuer(lambda: self.stage.issuer(name, who))

    async def _owner_limits(self) -> None:
        self.limited = not self.limited
        await self._by_issuer(self._set_limit)

    async def _set_limit(self) -> None:
        limit = 1 if self.limited else FLOAT
        await self.stage.vault_owner(
            "setLimit(address,uint96,uint32)", self.stage.token.contract, limit, 86_400
        )

    async def _by_issuer(self, act: Callable[[], Awaitable[None]]) -> None:
        """One transaction of the issuer at a time: its nonces are asked of the node."""
        async with self.one_at_a_time:
            await act()

    # ── the end ──

    async def _settle(self) -> None:
        """Everybody is well again: what was approved is paid or refused, the rest called off."""
        self.node.take("honest")
        self.limited = False
        await self._set_limit()
        await self.stage.start_signer()
        await self._take_over()
        self.working = {}
        for _ in range(40):
            left = await self.stage.rows(
                "SELECT id, state FROM payouts WHERE state NOT IN ('paid', 'failed', 'canceled')"
            )
            under_way = await self.stage.rows("SELECT nonce FROM slots WHERE state <> 'final'")
            if not left and not under_way:
                break
            for payout_id, state in left:
                if state == "requires_action":
                    await self._asked_of_api("cancel", self.stage.cancel, {"id": payout_id})
            for lane in self.lanes:
                await self._step(lane, "a")
            self.stage.clock.advance(timedelta(seconds=20))
            await self.stage.node.dev.mine(3)
            await self._watch()
        await self._require_settled(left)

    async def _require_settled(self, left: list[tuple[Any, ...]]) -> None:
        stage = self.stage
        assert left == [], "a payout found no end"
        await stage.require_truth()
        moved = await stage.transfers_out()
        paid = await stage.rows("SELECT amount FROM payouts WHERE state = 'paid'")
        assert sorted(amount for _, amount in moved) == sorted(int(amount) for (amount,) in paid)
        assert await stage.rows("SELECT count(*) FROM slots WHERE state <> 'final'") == [(0,)]
        assert await stage.rows("SELECT count(*) FROM payouts WHERE stuck") == [(0,)]
        held = await stage.node.read(
            checksum(stage.token.contract), "balanceOf(address)", [stage.vault], "uint256"
        )
        booked = await stage.rows("SELECT posted FROM ledger.balances WHERE code = 'custody:vault'")
        assert booked == [(held,)], "the vault's journal is not what the vault holds"
