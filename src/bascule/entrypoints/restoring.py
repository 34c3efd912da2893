"""The lanes after a restore: each compared with the chain; what does not fit is taken over, and ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import BasculeError, Rejected
from bascule.domain.lane_opening import OF_SIGNER
from bascule.entrypoints import laning, vault_roles
from bascule.entrypoints.failures import next_step_of
from bascule.services import forgotten_lanes, lane_opening, service_lanes
from bascule.services.forgotten_lanes import Pending
from bascule.services.lane_recovery import LaneRecovery
from bascule.storage import lanes
from bascule.storage.database import Database
from bascule.storage.lanes import Lane, Wallet

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

OPEN_ANOTHER = (
    "make a new wallet, then: bascule restore check --open CHAIN/NUMBER=0xWALLET"
    " (--send with the owner's key)"
)


@dataclass(frozen=True)
class LaneCheck:
    """Looks at lanes, under the owner's login. send: retires them at the vault; dry_run: changes nothing."""

    settings: Settings
    db: Database
    rpcs: Mapping[int, Caller]
    work: LaneRecovery
    send: bool
    dry_run: bool

    async def run(self, ending: Collection[str]) -> list[dict[str, Any]]:
        """Of each lane that is not retired: what was done, and who acts next.

        ending: lanes (`CHAIN/NAME`) that end whatever they show. Raises: Rejected when one is no such lane.
        """
        said, pending = await self._adopt()
        every: list[Lane | Wallet] = [*await self.work.every()]
        async with self.db.read() as conn:
            every += await service_lanes.every(conn)
        found = {f"{lane.chain_id}/{lane.name}": lane for lane in every}
        if unknown := sorted(set(ending) - set(found)):
            raise Rejected(
                "lane_invalid",
                f"{', '.join(unknown)} is no lane that is open",
                next_step=f"open lanes: {', '.join(found) or 'none'}",
            )
        return said + [
            await (
                self._one(name, lane, pending, end=name in ending)
                if isinstance(lane, Lane)
                else self._service(name, lane, end=name in ending)
            )
            for name, lane in found.items()
        ]

    async def _adopt(self) -> tuple[list[dict[str, Any]], dict[tuple[int, Address], Pending]]:
        """Lanes that were opened after the backup get a row, to be taken over; what stands in the way.

        And what may run yet that no row has, by vault.
        """
        said: list[dict[str, Any]] = []
        may_run: dict[tuple[int, Address], Pending] = {}
        open_ones = {(lane.chain_id, lane.vault) for lane in await self.work.every()}
        for chain_id, vault in sorted(await self.work.vaults()):
            name = f"{chain_id}/{checksum(vault)}"
            if chain_id not in self.rpcs and (chain_id, vault) in open_ones:
                continue  # each of its lanes says so
            try:
                self.settings.chain(chain_id)
                rpc = self.rpcs[chain_id]
                found = await forgotten_lanes.ran(self.db, rpc, chain_id, vault)
                for number, wallet in found.items():
                    lane = laning.name_of(number)
                    if not self.dry_run:
                        await self.work.adopt(rpc, chain_id, vault, number, lane, wallet)
                    else:
                        told = "the backup does not know this lane: would be taken over and end"
                        said.append(_said(f"{chain_id}/{lane}", "closed") | {"batches": None, "next": told})
                # last: a node that keeps no old events hides no lane that paid
                pending = await forgotten_lanes.pending(self.db, rpc, chain_id, vault)
                if pending is not None:
                    may_run[chain_id, vault] = pending
                    said += await self._pending(rpc, chain_id, vault, pending, set(found))
            except BasculeError as error:
                said.append(_said(name, "unknown") | {"next": f"{error}; {next_step_of(error)}"})
        return said, may_run

    async def _pending(
        self, rpc: Caller, chain_id: int, vault: Address, pending: Pending, ran: Collection[int]
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Lanes in no row that ran nothing yet: none is taken over; what they signed must never run."""
        said: list[dict[str, Any]] = []
        for number in sorted(set(pending.numbers) - set(ran)):
            left = await self._next(rpc, chain_id, vault, number, send=self.send)
            told = f"{left}; or wait until {pending.lost.until()} is final: until then its vault pays nothing"
            name = f"{chain_id}/{laning.name_of(number)}"
            said.append(_said(name, "closed") | {"batches": None, "canceled": None, "next": told})
        return said

    async def _service(self, name: str, wallet: Wallet, *, end: bool) -> dict[str, Any]:
        """A lane that pays nobody: there is nothing to take over, so it ends only where it is named."""
        said: dict[str, Any] = {"lane": name, "state": "open", "batches": None, "canceled": None}
        async with self.db.read() as conn:
            why = await lanes.closed_reason(conn, wallet.chain_id, wallet.address)
        again = f"register another wallet for {name}"
        if end and self.dry_run:
            return said | {"state": "closed", "next": f"would end; then {again}"}
        if end:
            try:
                async with self.db.transaction() as conn:
                    await service_lanes.end(conn, wallet.chain_id, wallet.name, self.work.outbox.clock.now())
            except BasculeError as error:
                return said | {"next": f"{error}; {next_step_of(error)}"}
            return said | {"state": "retired", "next": again}
        if why is None:
            return said | {"next": "nothing"}
        return said | {"state": "closed", "next": f"{why}: run this with --end {name}, then {again}"}

    async def _one(
        self, name: str, lane: Lane, pending: Mapping[tuple[int, Address], Pending], *, end: bool
    ) -> dict[str, Any]:  # fmt: skip
        said = _said(name, "unknown")
        try:
            self.settings.chain(lane.chain_id)
            rpc = self.rpcs[lane.chain_id]
            why = "it was named" if end else await self._mismatch(lane, rpc)
            if why is None:
                return said | await self._that_fits(name, lane, _others(lane, pending))
            said["state"] = "closed"
            done = await self._foresee(lane, rpc) if self.dry_run else await self._end(lane, rpc)
        except BasculeError as error:
            return said | {"next": f"{error}; {next_step_of(error)}"}
        return said | done

    async def _mismatch(self, lane: Lane, rpc: Caller) -> str | None:
        """Why the lane may not be worked, if that is in the lane itself; asked of the chain now.

        What its submitter said of it may be over, and what ends is ended for ever.
        """
        if await vault_calls.retired(rpc, lane.vault, lane.lane, "latest"):
            return "the vault has retired it"
        return (await lane_opening.behind(self.db, rpc, [lane])).get(lane.name)

    async def _that_fits(self, name: str, lane: Lane, others: Pending | None) -> dict[str, Any]:
        """A lane that fits the chain: its submitter alone asks the signer, so a person decides of that.

        others: lanes of its chain that may have signed for the same payouts before the restore.
        """
        async with self.db.read() as conn:
            why = await lanes.closed_reason(conn, lane.chain_id, lane.wallet)
        if why is not None and why.startswith(OF_SIGNER):
            told = f"{why}, its submitter says, and opens it once that is over; else run this with"
            told += f" --end {name}"
            return {"state": "closed", "next": told}
        if others is not None:
            told = f"beside it, {others.why()}: wait, or run this with --end for all its lanes but one"
            return {"state": "closed", "next": told}
        told = "nothing: chain and rows agree, and its submitter asks the signer besides"
        return {"state": "open", "next": told}

    async def _end(self, lane: Lane, rpc: Caller) -> dict[str, Any]:
        start = await self._start(lane)
        done = {
            "batches": await self.work.take_over(rpc, lane, start),
            "canceled": await self.work.take_over_canceled(rpc, lane, start),
        }
        if await self.work.retire(rpc, lane):
            return done | {"state": "retired", "next": OPEN_ANOTHER}
        return done | {"next": await self._next(rpc, lane.chain_id, lane.vault, lane.lane, send=self.send)}

    async def _foresee(self, lane: Lane, rpc: Caller) -> dict[str, Any]:
        batches = len(await self.work.unknown(rpc, lane, await self._start(lane)))
        left = await self._next(rpc, lane.chain_id, lane.vault, lane.lane, send=False)
        return {"batches": batches, "canceled": None, "next": f"would be taken over and end; {left}"}

    async def _start(self, lane: Lane) -> int:
        async with self.db.read() as conn:
            return await forgotten_lanes.began_at(conn, lane.chain_id)

    async def _next(self, rpc: Caller, chain_id: int, vault: Address, number: int, *, send: bool) -> str:
        """What is left to do at the vault; with `send` the lane is retired there first."""
        if not await vault_calls.retired(rpc, vault, number, "latest"):
            left = await vault_roles.act(
                self.settings, rpc, chain_id, vault, "guardian", "retireLane", number, send=send,
                told=lambda _: None,
            )  # fmt: skip
            if left is not None:
                return f"{left}; once that is final, run this again"
        return "it is retired in the newest block; once that is final, run this again"


def _others(lane: Lane, pending: Mapping[tuple[int, Address], Pending]) -> Pending | None:
    """What may run yet on other lanes, of its vault or of another one of its chain; None for nothing."""
    own = pending.get((lane.chain_id, lane.vault))
    beside = None if own is None else own.beside(lane.lane)
    elsewhere = (each for (on, at), each in pending.items() if on == lane.chain_id and at != lane.vault)
    return beside or next(elsewhere, None)


def _said(name: str, state: str) -> dict[str, Any]:
    return {"lane": name, "state": state, "batches": 0, "canceled": 0}
