"""A bridge for stories about money coming in: real database, real chain and token, one process, no sleeps.

The clock stands still until a test moves it; the chain takes its time from it. Blocks come when a test mines,
and the watcher works when a test lets it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import aiohttp

from bascule.chain import families
from bascule.chain.caller import Caller
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, Hash, checksum, parse_address
from bascule.domain.disagreement import Disagreement
from bascule.domain.finality import FinalityPolicy
from bascule.domain.money import parse_amount
from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.services import deposits, intents
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.intents import IntentRequest, Intents
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemEntropy
from bascule.services.watcher import Watcher
from bascule.storage import accounts, addresses, ledger, networks, tokens, transfers
from bascule.storage import disagreements as kept
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token
from bascule.storage.transfers import Transfer
from tests.support.chain import LocalNode, calldata, deploy_dollar
from tests.support.prepared import prepared_node
from tests.support.stored import assert_stored_equals_chain

OpenAs = Callable[[str], Awaitable[Database]]
FUNDS = 1_000_000 * 10**6


class StandingClock:
    """Moves only by `advance`, and never behind the chain it starts with."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def begin(self, seconds: float) -> None:
        """The story begins then, at a Unix time."""
        self._now = datetime.fromtimestamp(seconds, UTC)


@dataclass
class Bridge:
    """Everything a story needs. Own addresses are keys of the chain's accounts, so that they can pay too.

    accounts: 0 issues the token, 1 is the payer, 2 another one, 3 a treasury source, 4 the vault,
    5 the collector, 6 a wallet.
    """

    node: LocalNode
    clock: StandingClock
    owner: Database
    api: Database
    db: Database
    session: aiohttp.ClientSession
    network: Network
    token: Token
    operator: str
    merchant: str
    outbox: Outbox
    use_cases: Intents
    watchers: list[Watcher] = field(default_factory=list)

    def rpc(self, url: str | None = None, **options: Any) -> Rpc:
        """The true node, or one at another URL; refuses inside a transaction as in production."""
        return Rpc(
            url or self.node.url,
            session=self.session,
            guard=self.db.refuse_open_transaction,
            family=families.of(self.network.chain_id),
            **options,
        )

    def watcher(
        self, node: str | Caller | None = None, failpoints: Failpoints = NO_FAILPOINTS, **options: Any
    ) -> Watcher:
        """A new watcher process's watcher; the lease is the newest one's as soon as others let go.

        node: the true one, one at another URL, or a pool.
        """
        made = Watcher(
            self.db,
            self.rpc(node) if node is None or isinstance(node, str) else node,
            self.network,
            clock=self.clock,
            entropy=SystemEntropy(),
            outbox=self.outbox,
            failpoints=failpoints,
            **options,
        )
        self.watchers.append(made)
        return made

    async def started(self) -> Watcher:
        """A watcher that has taken its first block."""
        watcher = self.watcher()
        assert await watcher.run_once() == 1
        return watcher

    async def intent(self, amount: str = "10.50", **request: Any) -> dict[str, Any]:
        """A new intent of the merchant, as the API shows it."""
        async with self.api.transaction() as conn:
            return await self.use_cases.create(
                conn,
                account_id=self.merchant,
                livemode=False,
                request=IntentRequest(amount=amount, currency="usdt", **request),
            )

    async def cancel(self, intent: dict[str, Any]) -> None:
        async with self.api.transaction() as conn:
            row = await intents.own(conn, intent["id"], self.merchant, False, lock=True)
            await self.use_cases.cancel(conn, row, reason="abandoned")

    def account(self, number: int) -> DevAccount:
        return self.node.accounts[number]

    async def send(self, to: str, amount: str, payer: int = 1, token: str | None = None) -> str:
        """Offers a transfer to the chain; the next block carries it. Returns the transaction's hash."""
        units = parse_amount(amount, "usdt").to_token(self.token.asset).units
        data = calldata("transfer(address,uint256)", [to, units])
        return await self.node.send(self.account(payer), to=token or checksum(self.token.contract), data=data)

    async def pay(self, intent: dict[str, Any], amount: str, payer: int = 1, token: str | None = None) -> str:
        """A payment to the intent's address, mined in a block of its own."""
        tx_hash = await self.send(deposit_address(intent), amount, payer, token)
        await self.node.dev.mine()
        return tx_hash

    async def mine(self, count: int = 1) -> None:
        await self.node.dev.mine(count)

    async def settle_down(self, watcher: Watcher) -> None:
        """Lets the watcher work until it has nothing to do."""
        for _ in range(1_000):
            if not await watcher.run_once():
                return
        raise AssertionError("the watcher does not come to rest")

    async def finalize(self, watcher: Watcher) -> None:
        """Mines until everything there is now is final, and lets the watcher see it."""
        await self.mine(5)
        await self.settle_down(watcher)

    async def shown(self, intent: dict[str, Any]) -> dict[str, Any]:
        """The intent as the API shows it now."""
        async with self.db.read() as conn:
            return await intents.describe(conn, intent["id"])

    async def deposits(self, state: str | None = None) -> list[dict[str, Any]]:
        """All deposits in the order in which they were seen, as the API shows them."""
        rows = await self.rows("SELECT id FROM deposits ORDER BY created_at, block_number, log_index")
        async with self.api.read() as conn:
            shown = await deposits.describe_many(conn, [row[0] for row in rows])
        return [deposit for deposit in shown if state in (None, deposit["status"])]

    async def stored(self) -> list[Transfer]:
        async with self.db.read() as conn:
            return await transfers.canonical(conn, self.network.chain_id)

    async def disagreements(self) -> list[Disagreement]:
        """What nodes said that cannot both be true, as it is stored."""
        async with self.db.read() as conn:
            return await kept.every(conn, self.network.chain_id)

    async def events(self) -> list[str]:
        """The types of all events, in the order in which they were written."""
        return [row[0] for row in await self.rows("SELECT type FROM outbox ORDER BY id")]

    async def booked(self) -> dict[str, int]:
        """Posted balances in base units by ledger account; liabilities are negative, zeros left out."""
        async with self.owner.read() as conn:
            assert await ledger.verify(conn) == []
            found = await ledger.balances(conn)
        short = {self.merchant: "merchant", self.operator: "operator"}
        named = {}
        for balance in found:
            kind, _, whose = balance.code.partition(":")
            if balance.posted and balance.token_id == self.token.id:
                named[f"{kind}:{short.get(whose, whose)}"] = balance.posted
        return named

    async def rows(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """What the database holds, read as its owner."""
        async with self.owner.read() as conn:
            return await (await conn.execute(statement)).fetchall()

    async def require_chain_and_rows_agree(self) -> None:
        """What is stored is exactly the chain's (`assert_stored_equals_chain`)."""
        await assert_stored_equals_chain(self.owner, self.node, self.network.chain_id)


def deposit_address(intent: dict[str, Any]) -> str:
    """The only address the intent shows."""
    [entry] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].values()
    address: str = entry["address"]
    return address


def address_of(account: DevAccount) -> Address:
    return parse_address(account.address)


def tx(tx_hash: str) -> Hash:
    return Hash(bytes.fromhex(tx_hash[2:]))


@asynccontextmanager
async def bridge(
    open_as: OpenAs,
    *,
    on: Callable[..., AbstractAsyncContextManager[LocalNode]] | None = None,
    **chain_options: Any,
) -> AsyncIterator[Bridge]:
    """A bridge on a chain of its own: token deployed, payers funded, one merchant, nothing watched yet.

    on: starts another kind of chain, with `chain_options` over ours.
    """
    clock = StandingClock(datetime.now(UTC).replace(microsecond=0))
    options = {"safe": 1, "finalized": 3, "clock": lambda: clock.now().timestamp(), **chain_options}
    async with AsyncExitStack() as stack:
        if on is None:
            node, token = await stack.enter_async_context(prepared_node(issue, **options))
            clock.begin(node.dev.chain.index.head.time)
        else:
            node = await stack.enter_async_context(on(**options))
            token = await issue(node)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        clock.advance(60)  # the blocks so far were a second apart
        owner = await open_as("owner")
        network = await publish(owner, node, token, clock)
        yield await assembled(open_as, node, session, clock, network, token, owner)


async def assembled(
    open_as: OpenAs,
    node: LocalNode,
    session: aiohttp.ClientSession,
    clock: StandingClock,
    network: Network,
    token: Token,
    owner: Database | None = None,
) -> Bridge:
    """A bridge over what is there already: a chain, and a database that knows its network and token."""
    told = Outbox(clock, SystemEntropy())
    return Bridge(
        node=node,
        clock=clock,
        owner=owner or await open_as("owner"),
        api=await open_as("api"),
        db=await open_as("watcher"),
        session=session,
        network=network,
        token=token,
        operator="acct_operator",
        merchant="acct_merchant",
        outbox=told,
        use_cases=Intents(clock, SystemEntropy(), told, deposit_seed=bytes(32)),
    )


async def issue(node: LocalNode) -> Token:
    """A test dollar, a million of it for each of accounts 1 to 3, and enough blocks for finality."""
    contract = await deploy_dollar(node, node.accounts[0])
    for number in (1, 2, 3):
        data = calldata("mint(address,uint256)", [node.accounts[number].address, FUNDS])
        await node.send(node.accounts[0], to=contract, data=data)
    await node.dev.mine(5)
    return Token(
        id="tok_usdt", chain_id=node.dev.chain_id, contract=parse_address(contract), currency="usdt",
        name="Test Dollar", decimals=6, accepted=True,
    )  # fmt: skip


async def publish(owner: Database, node: LocalNode, token: Token, clock: StandingClock) -> Network:
    """What an operator sets up before the first start."""
    vault, collector, wallet = (address_of(node.accounts[number]) for number in (4, 5, 6))
    network = Network(
        chain_id=node.dev.chain_id,
        name="local",
        livemode=False,
        finality=FinalityPolicy("finalized"),
        vault=vault,
        deposit_factory=Address(b"\xfa" * 20),
        forwarder=Address(b"\xf0" * 20),
        collector=collector,
    )
    async with owner.transaction() as conn:
        await accounts.create(
            conn, id="acct_operator", kind="operator", name="Treasury", created_at=clock.now()
        )
        await accounts.create(conn, id="acct_merchant", kind="merchant", name="Shop", created_at=clock.now())
        await networks.publish(conn, network)
        await tokens.publish(conn, token)
        await addresses.add_own(conn, network.chain_id, vault, "vault")
        await addresses.add_own(conn, network.chain_id, collector, "collector")
        await addresses.add_own(conn, network.chain_id, wallet, "wallet")
        await addresses.add_treasury_source(conn, network.chain_id, address_of(node.accounts[3]), "bank")
    return network
