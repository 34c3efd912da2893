"""Named places where a process may be killed, so that tests can ask what a crash right there leaves behind.

A boundary is a commit or a send; a failpoint stands on each side of it. In production nothing is armed and
`hit` only looks into an empty mapping.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Boundary:
    """A commit or a send. before, after: what holds when the process dies on that side, and what follows."""

    worker: str
    what: str
    before: str
    after: str

    @property
    def names(self) -> tuple[str, str]:
        """Its two failpoints."""
        return f"{self.worker}.before_{self.what}", f"{self.worker}.after_{self.what}"


AGAIN = "nothing was written; the next start does it"
BOUNDARIES: tuple[Boundary, ...] = (
    Boundary(
        "api", "commit",
        "nothing of the request is stored; the client's retry does it",
        "effect and answer are stored, the client does not know; a retry with its key is shown that answer",
    ),
    Boundary(
        "api", "response",
        "as after the commit, also for an answer that was stored before",
        "the client knows",
    ),
    Boundary(
        "claim", "commit",
        "the customer's address is not stored; the customer enters it again",
        "the address stands; the customer's page shows it when loaded again",
    ),
    Boundary("watcher", "lease", AGAIN, "the chain waits until the dead watcher's lease is over"),
    Boundary("watcher", "start", AGAIN, "the first block is final and its balances are booked"),
    Boundary("watcher", "sighting", "said a moment later", "how far the chain reaches is known to all"),
    Boundary("watcher", "opening", AGAIN, "the new own addresses are open, what touched them is read"),
    Boundary("watcher", "commit", "the blocks are read again", "the cursor is behind them; the next follow"),
    Boundary("watcher", "reorg", "the fork is found again", "what was above the fork is orphaned, once"),
    Boundary("watcher", "halt", "the fork is found again", "the chain stays halted, and that is told once"),
    Boundary("watcher", "resume", "the chain stays halted; it is looked at again", "the chain goes on"),
    Boundary("watcher", "disagreements", "told again or forgotten", "what nodes said is kept, once or twice"),
    Boundary("watcher", "proof", "the blocks are proven again", "they may become final"),
    Boundary("watcher", "finalize_commit", "promoted and booked at the next step", "booked and told, once"),
    Boundary("watcher", "early", AGAIN, "the intents have succeeded early and that is told, once"),
    Boundary("submitter", "lease", AGAIN, "the lane waits until the dead submitter's lease is over"),
    Boundary("submitter", "wallet", AGAIN, "how the lane's wallet stands is known to all"),
    Boundary("submitter", "float", AGAIN, "the float is known to all, treasury is told once"),
    Boundary("submitter", "round", AGAIN, "the payout asks for approvals anew, its hold is released"),
    Boundary("submitter", "wait", AGAIN, "payouts say why they wait; a top-up is done"),
    Boundary("submitter", "reserve", AGAIN, "the slot is found reserved and its content asked for"),
    Boundary("submitter", "bump", AGAIN, "the same nonce is asked for at higher fees"),
    Boundary("submitter", "quote", AGAIN, "the slot, never signed, is asked for at the fees of now"),
    Boundary(
        "submitter", "sign",
        "the signer was not asked",
        "the signer has bytes we do not; asked again, it gives the same",
    ),
    Boundary("submitter", "save", "as after signing", "the bytes are ours, not sent; they are sent"),
    Boundary("submitter", "send", "the bytes are sent", "the node may have them; the same are sent again"),
    Boundary("submitter", "offered", "as after sending", "the attempt is known as offered"),
    Boundary(
        "submitter", "refusal", "asked and refused again",
        "the nonce is to be filled, its payouts are free",
    ),
    Boundary("submitter", "observe", "looked up again", "the slot is in its block, or out of it again"),
    Boundary("submitter", "final_commit", "concluded at the next step", "paid, booked and told, once"),
    Boundary("submitter", "gas", AGAIN, "the fee is booked, once"),
    Boundary(
        "canceller", "reserve", AGAIN,
        "the slot is found reserved with the ids it took; its content is asked for",
    ),
    Boundary("anchor_planner", "request", AGAIN, "the request is there, once; the anchor's lane takes it up"),
    Boundary(
        "anchor", "reserve", AGAIN,
        "the slot is found reserved with the head it took; its content is asked for",
    ),
    Boundary(
        "facilitator", "commit",
        "nothing of the payment is stored; asked again, it is",
        "the payer's signature is kept and is presented; asked again, it is found",
    ),
    Boundary(
        "presenter", "reserve", AGAIN,
        "the slot is found reserved with the authorization it took; its content is asked for",
    ),
    Boundary("presenter", "wait", AGAIN, "the authorization says why it waits"),
    Boundary("presenter", "outcome", AGAIN, "what came of the authorization is known, and told once"),
    Boundary(
        "signer", "intent_commit",
        "the signer knows nothing of it",
        "the nonce has its content for ever and no bytes; asked again, it signs just that",
    ),
    Boundary(
        "signer", "bytes_commit",
        "signed and forgotten; signatures are deterministic, so the same bytes are made again",
        "the bytes are kept, the asker does not know; asked again, it gives the same",
    ),
    Boundary("signer", "refusal", "refused and not written down", "written down, the asker does not know"),
    Boundary("sequencer", "commit", "numbered again, the same numbers", "numbered, with its deliveries"),
    Boundary("dispatcher", "claim", AGAIN, "leased, not sent; sent when the lease is over"),
    Boundary(
        "dispatcher", "send",
        "leased, not sent; sent when the lease is over",
        "the receiver may know; it gets the same id and bytes again",
    ),
    Boundary("dispatcher", "settle", "as after sending", "the attempt is written"),
    Boundary("expirer", "pass", AGAIN, "deadlines that are over are not looked at again"),
    Boundary("expirer", "expire", AGAIN, "the intent or mandate is said to be expired, once"),
    Boundary("expirer", "close", AGAIN, "the intent is closed, once"),
    Boundary(
        "refunder", "step",
        "nothing was written; the next turn does it",
        "the refund went on: its payout stands with its hold, or it ended as its payout did, once",
    ),
    Boundary("biller", "remind", AGAIN, "the reminder is told, once"),
    Boundary("biller", "month", AGAIN, "the month's fee invoices are there, all of them, once"),
    Boundary("settler", "schedule", AGAIN, "the settlement waits for its payout, the due time is over"),
    Boundary(
        "settler", "step",
        "nothing was written; the next turn does it",
        "the settlement went on: its payout stands with its hold, or it ended as its payout did, once",
    ),
    Boundary("reporter", "claim", AGAIN, "the report waits until the dead worker's lease is over"),
    Boundary("reporter", "finish", "the report is made anew", "files, state and event are there, once"),
    Boundary("reconciler", "compare", AGAIN, "the comparison is kept, a break told"),
    Boundary("planner", "request", AGAIN, "the request is there, once; the sweeper takes it up"),
    Boundary("schedule", "claim", AGAIN, "this due run is lost; the next one does its work"),
    Boundary("schedule", "finish", "its work is done, the run looks unfinished", "the run is finished"),
    Boundary("setup", "write", "the file is missing, or the old one", "the file is whole"),
    Boundary("setup", "send", "sent by the next start", "perhaps mined; the next start looks first"),
    Boundary("setup", "commit", AGAIN, "accounts, network and limits are there"),
    Boundary("setup", "keys", AGAIN, "keys nobody knows; the next start makes others"),
    Boundary("chain", "append", "the block is lost, what waited waits on", "the block is kept"),
)  # fmt: skip
FAILPOINTS: tuple[str, ...] = tuple(name for boundary in BOUNDARIES for name in boundary.names)
_KNOWN = frozenset(FAILPOINTS)
_PROCESS_OF = {
    "sequencer": "worker", "dispatcher": "worker", "expirer": "worker", "reconciler": "worker",
    "refunder": "worker", "claim": "api", "planner": "worker", "canceller": "services",
    "biller": "worker", "anchor_planner": "worker", "anchor": "services",
    "facilitator": "api", "presenter": "services",
    "reporter": "worker", "settler": "worker", "schedule": "worker", "setup": "set-up",
}  # fmt: skip


def process_of(name: str) -> str:
    """The process of `bascule dev` in which a failpoint stands. Raises: ValueError for an unlisted name."""
    _refuse_unknown(name)
    worker = name.partition(".")[0]
    return _PROCESS_OF.get(worker, worker)


class Failpoints:
    """Kills its own process by SIGKILL at the n-th hit of an armed name; nothing cleans up, as in a crash."""

    def __init__(self, armed: Mapping[str, int]) -> None:
        """`armed`: name → on which hit (1 is the first) the process dies."""
        for name, nth in armed.items():
            _refuse_unknown(name)
            if nth < 1:
                raise ValueError(f"failpoint {name} is armed for hit {nth}; the first hit is 1")
        self._left = dict(armed)

    def hit(self, name: str) -> None:
        """Marks that the process is at the named place; an unlisted name is an error, armed or not."""
        _refuse_unknown(name)
        if name not in self._left:
            return
        self._left[name] -= 1
        if self._left[name] == 0:
            self.die(name)

    def die(self, name: str) -> None:
        """Ends the process at once; its last word on standard error is the name."""
        os.write(2, f"failpoint {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


def _refuse_unknown(name: str) -> None:
    if name not in _KNOWN:
        raise ValueError(f"no failpoint is named {name!r}; see docs/failpoints.md for those there are")


NO_FAILPOINTS = Failpoints({})
