"""JSON-RPC and subscriptions over a WebSocket connection."""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from bascule.entrypoints.devchain import log_filter, params
from bascule.entrypoints.devchain.dispatch import MAX_BODY, answer_to
from bascule.entrypoints.devchain.errors import METHOD_NOT_FOUND, RpcError, invalid_params, refused
from bascule.entrypoints.devchain.interests import Interest, Logs, NewHeads, Pending
from bascule.entrypoints.devchain.methods import Methods, described
from bascule.entrypoints.devchain.records import Block

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

# What subscriptions may have told one connection that is not yet sent, in bytes: a burst of some 25,000 logs.
MAX_UNSENT = 32 * 1024 * 1024
MAX_SUBSCRIPTIONS = 1_000
PARTING_SECONDS = 2.0
SOCKETS: "web.AppKey[set[web.WebSocketResponse]]" = web.AppKey("sockets", set)


class Told(NamedTuple):
    """A message on its way; `cost` is what it counts against the connection's limit."""

    text: bytes
    cost: int
    sent: asyncio.Event | None = None


async def converse(request: web.Request, methods: Methods) -> web.StreamResponse:
    """Answers one connection until it ends, by whoever's wish."""
    socket = web.WebSocketResponse(max_msg_size=MAX_BODY, timeout=PARTING_SECONDS, compress=False)
    await socket.prepare(request)
    sockets = request.app[SOCKETS]
    sockets.add(socket)
    try:
        if await Connection(socket, methods).run() and request.transport is not None:
            request.transport.abort()
    finally:
        sockets.discard(socket)
    return socket


class Connection:
    """Requests in order, and what its subscriptions tell; one that falls too far behind is dropped."""

    def __init__(self, socket: web.WebSocketResponse, methods: Methods) -> None:
        self._socket, self._methods = socket, methods
        self._own = {
            "eth_subscribe": described(self.subscribe),
            "eth_unsubscribe": described(self.unsubscribe),
        }
        self._subscriptions: dict[str, Interest] = {}
        self._early: list[Told] | None = None
        self._unsent: deque[Told] = deque()
        self._unsent_cost = 0
        self._something, self._too_slow = asyncio.Event(), asyncio.Event()

    async def run(self) -> bool:
        """Returns when the client has gone, or was dropped for reading too slowly: then True."""
        self._methods.feed.join(self)
        work = [asyncio.create_task(part()) for part in (self._read, self._write, self._too_slow.wait)]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._methods.feed.leave(self)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        if self._too_slow.is_set():
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(PARTING_SECONDS):
                    await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"reads too slowly")
        return self._too_slow.is_set()

    def subscribe(self, kind: object, option: object = None) -> str:
        """eth_subscribe: newHeads, logs or newPendingTransactions; returns the subscription's id."""
        interest = _interest(kind, option)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise refused(f"too many subscriptions: at most {MAX_SUBSCRIPTIONS} on a connection")
        name = hex(secrets.randbits(128))
        self._subscriptions[name] = interest
        return name

    def unsubscribe(self, name: object) -> bool:
        """eth_unsubscribe."""
        if not isinstance(name, str) or self._subscriptions.pop(name, None) is None:
            raise refused("subscription not found")
        return True

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> None:
        """Tells the subscriptions of a change of the chain."""
        for name, interest in self._subscriptions.items():
            self._tell(name, interest.moved(removed, added))

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> None:
        """Tells the subscriptions what became pending."""
        for name, interest in self._subscriptions.items():
            self._tell(name, interest.pending(transactions))

    async def _call(self, name: str, arguments: list[Any]) -> Any:
        own = self._own.get(name)
        return await (own.call(arguments) if own else self._methods.call(name, arguments))

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._respond(message.data)

    async def _respond(self, body: str | bytes) -> None:
        """Answers one message, and waits until that is sent: who does not read cannot pile up answers."""
        self._early = early = list[Told]()
        answer = await answer_to(body, self._call)
        self._early = None
        sent = asyncio.Event()
        # No client knows a subscription before its answer: what was told meanwhile comes after that.
        self._put([*([] if answer is None else [Told(answer, 0, sent)]), *early])
        if answer is not None:
            await sent.wait()

    def _tell(self, name: str, results: Iterable[Any]) -> None:
        for result in results:
            if self._too_slow.is_set():
                return
            told = {"subscription": name, "result": result}
            text = msgspec.json.encode({"jsonrpc": "2.0", "method": "eth_subscription", "params": told})
            self._unsent_cost += len(text)
            if self._unsent_cost > MAX_UNSENT:
                self._too_slow.set()
            elif self._early is not None:
                self._early.append(Told(text, len(text)))
            else:
                self._put([Told(text, len(text))])

    def _put(self, messages: Iterable[Told]) -> None:
        self._unsent.extend(messages)
        self._something.set()

    async def _write(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._unsent:
                told = self._unsent.popleft()
                await self._socket.send_frame(told.text, WSMsgType.TEXT)
                self._unsent_cost -= told.cost
                if told.sent is not None:
                    told.sent.set()


def _interest(kind: object, option: object) -> Interest:
    if kind == "newHeads":
        return NewHeads()
    if kind == "newPendingTransactions":
        return Pending(full=params.boolean(False if option is None else option, "full"))
    if kind == "logs":
        return Logs(log_filter.log_filter(log_filter.members({} if option is None else option)))
    if not isinstance(kind, str):
        raise invalid_params("subscription: a name is needed")
    raise RpcError(METHOD_NOT_FOUND, f'no "{kind}" subscription in eth namespace')


async def close_all(app: web.Application) -> None:
    """Ends every open connection, as the node is going away."""
    farewells = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in app[SOCKETS]]
    await asyncio.gather(*farewells, return_exceptions=True)
