"""A treasury with many lanes and the real signer: its own process, socket, ledger, rosters; fsync on.

What people approved beforehand stands in rows, as the API writes it, with real signatures. The chain is not
in the loop: a node that prices gas and reverts nothing, and keeps whoever sends to it waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from coincurve import PrivateKey

from bascule.chain import broadcast
from bascule.chain.abi import artifact
from bascule.chain.caller import Call, Caller
from bascule.chain.erc20 import transfer_calldata
from bascule.chain.worth import Worth
from bascule.domain.approval import BatchApproval, BatchItem, PayoutApproval
from bascule.domain.chain import Address
from bascule.domain.finality import FinalityPolicy
from bascule.domain.hashing import keccak
from bascule.entrypoints.signer_client import SignerClient
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.services.pace import Pace
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.services.submitter import Submitter, SubmitterSettings
from bascule.storage import payout_batches, signer_limits, signer_rosters, signer_wallets
from bascule.storage.database import Connection, Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from bascule.storage.networks import Network
from bascule.storage.payout_batches import NewBatch
from bascule.storage.roles import ensure_logins
from bascule.storage.signer_limits import HardLimits

CHAIN = 31_337
VAULT, TOKEN = Address(b"\x01" * 20), Address(b"\xc0" * 20)
OPERATOR = "acct_operator"
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
APPROVERS = [PrivateKey(keccak(b"approver %d" % n)) for n in range(3)]
END = datetime(2100, 1, 1, tzinfo=UTC)  # of every round of approvals: no benchmark lasts so long
PASSWORD = "benchmark"  # noqa: S105 - of keys that hold nothing
INSTALLATION = """
INSERT INTO accounts (id, kind, name) VALUES ('acct_operator', 'operator', 'O');
INSERT INTO networks (chain_id, name, livemode, finality_kind, vault)
VALUES (31337, 'local', false, 'finalized', decode(repeat('01', 20), 'hex'));
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
INSERT INTO own_addresses (chain_id, address, kind) VALUES (31337, decode(repeat('01', 20), 'hex'), 'vault');
INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
VALUES (31337, decode(repeat('0a', 32), 'hex'), 10, decode(repeat('09', 32), 'hex'), now(), 'receipts');
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES (31337, 11, decode(repeat('0a', 32), 'hex'), now(), 10, decode(repeat('0a', 32), 'hex'));
INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)
VALUES ('opn_1', 31337, decode(repeat('01', 20), 'hex'), decode(repeat('c0', 20), 'hex'), 10,
        decode(repeat('0a', 32), 'hex'), 10::numeric ^ 18);
SELECT ledger.post_opening('opn_1');
"""
TRANSFER = "0x" + transfer_calldata(VAULT, 0)[:4].hex()
FINAL = {
    "number": "0xa", "hash": "0x" + "0a" * 32, "parentHash": "0x" + "09" * 32, "timestamp": "0x1",
    "logsBloom": "0x" + "00" * 256, "receiptsRoot": "0x" + "00" * 32,
}  # fmt: skip
AVAILABLE, LIMIT_OF = (
    "0x" + artifact("PayoutVault").calldata(name, bytes(TOKEN))[:4].hex() for name in ("available", "limitOf")
)
PAYOUTS = """
INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination, amount,
                     state, holds, approvals_required, approval_expires_at, roster_version, policy_decision,
                     requested_by, created_at, batch_id, batch_position)
SELECT n.id, %(account)s, false, n.id, %(token)s, %(chain_id)s, %(vault)s, n.destination,
       n.amount, %(state)s, CASE %(state)s WHEN 'pending' THEN 1 ELSE 0 END, 2, %(end)s, 1,
       '{"rule": "tier", "reasons": ["two approvals above 0"]}', 'key_bench', now(), n.batch_id, n.place
  FROM unnest(%(ids)s::text[], %(destinations)s::bytea[], %(amounts)s::numeric[], %(batches)s::text[],
              %(places)s::integer[]) AS n (id, destination, amount, batch_id, place)
"""


class NoChain:
    """Knows new lanes and one final block, prices gas, reverts nothing, limits nothing; whoever sends to it
    waits until `open` is set.
    """

    family, quorum, names = None, 1, ["none"]

    def __init__(self) -> None:
        self.worth = Worth()
        self.open = asyncio.Event()
        self.offered: asyncio.Queue[float] = asyncio.Queue()

    async def call(self, method: str, *params: object) -> Any:
        """A call does not revert. Of bytes the moment is noted, and they are taken when `open` is set."""
        if method != broadcast.METHOD:
            return "0x"
        self.offered.put_nowait(time.perf_counter())
        await self.open.wait()
        return "0x" + keccak(bytes.fromhex(str(params[0])[2:])).hex()

    async def call_as(self, shape: Any, method: str, *params: Any) -> Any:
        """An unused wallet, vault and token that refuse nothing, no event, the final block, what was paid."""
        if method == "eth_getTransactionCount":
            return "0x0"
        if method == "eth_getBlockByNumber":
            return msgspec.convert(FINAL, shape)
        if method == "eth_call":
            asked = params[0]["data"][:10]
            if asked == TRANSFER:
                return "0x" + "00" * 31 + "01"
            return "0x" + ("ff" if asked == AVAILABLE else "00") * (64 if asked == LIMIT_OF else 32)
        if method == "eth_getLogs":
            return msgspec.convert([], shape)
        price = hex(10**9)
        return msgspec.convert({"baseFeePerGas": [price] * 6, "reward": [[price]] * 5}, shape)

    async def batch_as(self, shape: Any, calls: Sequence[Call]) -> list[Any]:
        """The final block, unused wallets full of gas, lanes without a batch, and no receipt yet."""
        known = {
            "eth_getBlockByNumber": FINAL, "eth_getBalance": hex(10**24), "eth_getTransactionCount": "0x0",
            "eth_call": "0x" + "00" * 32,
        }  # fmt: skip
        return [msgspec.convert(known.get(method), shape) for method, _ in calls]

    async def batch_each(self, shape: Any, calls: Sequence[Call]) -> list[Any]:
        """The same: nothing is refused."""
        return await self.batch_as(shape, calls)

    async def checked(self, ask: Any, enough: Any = None) -> Any:
        """The only node's answer."""
        return await ask(self)

    async def rising(self, name: str, ask: Any, height: Any) -> Any:
        """The same."""
        return await ask(self)

    async def agreed(self, ask: Any, said: Any, *, settled: bool, partly: bool = False) -> Any:
        """The same."""
        return await ask(self)

    async def everyone(self, ask: Any) -> list[tuple[str, Any]]:
        """The only node's answer."""
        return [("none", await ask(self))]


class Saved(Failpoints):
    """Notes when signed bytes were committed."""

    def __init__(self) -> None:
        super().__init__({})
        self.at: asyncio.Queue[float] = asyncio.Queue()

    def hit(self, name: str) -> None:
        """After the commit of an attempt: now."""
        if name == "submitter.after_save":
            self.at.put_nowait(time.perf_counter())


@dataclass
class Treasury:
    """What runs. signer_pid, server_pid: whose processor time is counted."""

    owner: Database
    submitters: Database
    signer: SignerClient
    chain: NoChain
    saved: Saved
    signer_pid: int
    server_pid: int
    lanes: int = 0
    asked: int = 0
    wallets: list[Address] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    async def open_lanes(self, count: int, items: int) -> list[Submitter]:
        """As many new lanes, each with a submitter that takes batches of so many."""
        made = []
        async with self.owner.transaction() as conn:
            for lane in range(self.lanes, self.lanes + count):
                made.append(self._submitter(lane, items))
                await _open_lane(conn, lane, self.wallets[lane])
        self.lanes += count
        return made

    def _submitter(self, lane: int, items: int) -> Submitter:
        network = Network(CHAIN, "local", False, FinalityPolicy("finalized"), VAULT, None, None, None)
        rpc: Caller = self.chain  # type: ignore[assignment]
        return Submitter(
            self.submitters, rpc, self.signer, network, f"vault-{lane}", clock=CLOCK,
            outbox=Outbox(CLOCK, ENTROPY), holder=f"bench-{lane}", failpoints=self.saved,
            settings=SubmitterSettings(max_items=items), pace=self.pace,
        )  # fmt: skip

    async def ask(self, count: int, *, together: bool, approved: bool = True) -> list[str]:
        """So many approved payouts: in one batch with two signatures, or each with two of its own; their ids.

        approved: false leaves them waiting for what they have signatures for already.
        """
        items = [
            BatchItem(f"po_{n:012d}", TOKEN, Address(keccak(b"payee %d" % n)[12:]), 1_000_000 + n)
            for n in range(self.asked, self.asked + count)
        ]
        self.asked += count
        async with self.owner.transaction() as conn:
            batch_id = await approve_batch(conn, items) if together else None
            await conn.execute(
                PAYOUTS.encode(),
                {
                    "account": OPERATOR,
                    "token": "tok_usd",
                    "chain_id": CHAIN,
                    "vault": bytes(VAULT),
                    "end": END,
                    "ids": [item.payout for item in items],
                    "destinations": [bytes(item.to) for item in items],
                    "amounts": [item.amount for item in items],
                    "batches": [batch_id for _ in items],
                    "places": [place if together else None for place in range(count)],
                    "state": "pending" if approved else "requires_action",
                },
            )
            if not together:
                await _approve_each(conn, items)
            if approved:
                await conn.execute(
                    "SELECT ledger.post_hold(id) FROM payouts WHERE id = ANY (%s)",
                    [[item.payout for item in items]],
                )
        return [item.payout for item in items]

    def processors(self) -> tuple[float, float, float]:
        """Seconds used so far by this process, the signer's, and the database server's."""
        return time.process_time(), spent(self.signer_pid), spent_below(self.server_pid)


@asynccontextmanager
async def treasury(folder: Path, lanes: int) -> AsyncIterator[Treasury]:
    """An installation with keys for so many lanes, and its signer as a process."""
    from bascule.signing.keystore import create_keystore

    keys, socket = folder / "keys", folder / "s.sock"
    keys.mkdir()
    wallets = [create_keystore(keys / f"{n:04d}.json", PASSWORD, rounds=2) for n in range(lanes)]
    words = {"submitter": secrets.token_urlsafe(16), "signer": secrets.token_urlsafe(16)}
    server = EmbeddedPostgres(folder / "postgres")
    with server as url:
        assert server.pid is not None
        await migrate(url.database("postgres"))
        async with AsyncExitStack() as stack:
            owner = await stack.enter_async_context(Database(url.database("postgres"), pool_size=2))
            async with owner.read() as conn:
                logins = await ensure_logins(conn, "postgres", words)
                await conn.execute(INSTALLATION.encode())
            urls = {who: url.database("postgres", user=logins[who], password=words[who]) for who in words}
            await _administer(owner, wallets)
            pid = stack.enter_context(signing(urls["signer"], keys, socket))
            database = Database(urls["submitter"], pool_size=8, plan_once=True)
            submitters = await stack.enter_async_context(database)
            client = SignerClient(socket, guard=submitters.refuse_open_transaction, timeout_s=120)
            signer = await stack.enter_async_context(client)
            chain = NoChain()
            yield Treasury(owner, submitters, signer, chain, Saved(), pid, server.pid, wallets=wallets)


@contextlib.contextmanager
def signing(url: str, keys: Path, socket: Path) -> Iterator[int]:
    """`bascule signer` until the end; its process id."""
    environment = os.environ | {
        "BASCULE_DATABASE_URL_SIGNER": url,
        "BASCULE_SIGNER_SOCKET": str(socket),
        "BASCULE_SIGNER_KEYSTORE": str(keys),
        "BASCULE_SIGNER_KEYSTORE_PASSWORD": PASSWORD,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bascule", "signer"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise RuntimeError("the signer did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


async def _administer(owner: Database, wallets: Sequence[Address]) -> None:
    members = [_wallet(key) for key in APPROVERS]
    async with owner.transaction() as conn:
        for member in members:
            await conn.execute(
                "INSERT INTO approvers (account_id, address, roster_version, name) VALUES (%s, %s, 1, '')",
                [OPERATOR, member],
            )
        await signer_rosters.add(conn, OPERATOR, version=1, threshold=2, members=members)
        limits = HardLimits(10**15, 10**18, 10**12, 16_777_216)
        await signer_limits.set(conn, CHAIN, vault=VAULT, token=TOKEN, limits=limits)
        for wallet in wallets:
            await signer_wallets.add(conn, CHAIN, wallet)


async def _open_lane(conn: Connection, lane: int, wallet: Address) -> None:
    name = f"vault-{lane}"
    await conn.execute(
        "INSERT INTO wallets (chain_id, address, name) VALUES (%s, %s, %s)", [CHAIN, wallet, name]
    )
    await conn.execute(
        "INSERT INTO lanes (chain_id, lane, name, vault, wallet) VALUES (%s, %s, %s, %s, %s)",
        [CHAIN, lane, name, VAULT, wallet],
    )


async def approve_batch(
    conn: Connection,
    items: Sequence[BatchItem],
    *,
    account: str = OPERATOR,
    chain_id: int = CHAIN,
    vault: Address = VAULT,
    by: Sequence[bytes] = (),
) -> str:
    """A batch of these payouts with the signatures of two; its id. by: keys, else those of `APPROVERS`."""
    people = [PrivateKey(secret) for secret in by] or APPROVERS[:2]
    batch_id = f"pob_{items[0].payout}"
    text = BatchApproval.of(account, batch_id, items, expiry=int(END.timestamp()), roster_version=1)
    await payout_batches.insert(
        conn,
        NewBatch(
            id=batch_id, account_id=account, livemode=False, chain_id=chain_id, vault=vault,
            leaves=text.leaves, totals=dict(text.totals), approvals_required=2, approval_expires_at=END,
            roster_version=1, requested_by="key_bench", created_at=CLOCK.now(),
        ),
    )  # fmt: skip
    digest = text.digest(chain_id, vault)
    for key in people:
        await payout_batches.insert_approval(
            conn, batch_id, approver=_wallet(key), digest=digest, signature=sign(key, digest)
        )
    return batch_id


async def _approve_each(conn: Connection, items: Sequence[BatchItem]) -> None:
    rows = []
    for item in items:
        text = PayoutApproval(
            OPERATOR, item.payout, TOKEN, item.to, item.amount, int(END.timestamp()), roster_version=1
        )
        digest = text.digest(CHAIN, VAULT)
        rows += [(item.payout, _wallet(key), digest, sign(key, digest)) for key in APPROVERS[:2]]
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO payout_approvals (payout_id, approver, digest, signature) VALUES (%s, %s, %s, %s)",
            rows,
        )


def _wallet(key: PrivateKey) -> Address:
    return Address(keccak(key.public_key.format(compressed=False)[1:])[12:])


def sign(key: PrivateKey, digest: bytes) -> bytes:
    """65 bytes as a wallet gives them."""
    signed = key.sign_recoverable(digest, hasher=None)
    return signed[:64] + bytes([signed[64] + 27])


def spent(pid: int) -> float:
    """Processor seconds of a process (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spent_below(pid: int) -> float:
    """Processor seconds of a process's children: the server's sessions are those of its first process."""
    spent = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
            if int(fields[1]) == pid:
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent
