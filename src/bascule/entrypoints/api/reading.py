"""What only reads our rows: who asks and what they ask for, in one turn of the network where that can be.

Of a key that was good a moment ago it is asked whether it still is along with the first statement of what is
read, and heard before that. Any other key is read by itself, before anything else is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request

from bascule.domain.errors import Rejected, Retryable
from bascule.entrypoints.api import noting
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.effects import Act, Effect
from bascule.entrypoints.api.gathering import Gathering
from bascule.storage import api_keys
from bascule.storage.api_keys import ApiKey
from bascule.storage.database import Connection

if TYPE_CHECKING:
    from bascule.entrypoints.api.operation import Call

MOMENT_S = 0.002  # for company: as long as a read takes
SAID = "bascule.limits", "bascule.version"  # by `admit`, to be told with the answer
Admit = Callable[[Caller], Awaitable["Call[Any]"]]
Shown = dict[str, Any]


async def read(deps: ApiDeps, effect: Effect, request: Request, admit: Admit) -> bytes:
    """What the effect finds for who asks, as JSON.

    Raises: Unauthenticated before all that `admit` and it raise.
    """
    call = None
    async with deps.db.read() as conn:
        known = deps.keys.remembered(request, deps.clock.now())
        if known is not None:
            then = partial(noting.known, request, known.caller)
            try:
                async with api_keys.while_unchanged(conn, known.key, then):
                    call = await admit(known.caller)
                    return call.told(await effect(call, conn))
            except api_keys.KeyChanged:
                pass  # so it is read
        return await _read_key_first(deps, conn, request, admit, effect, call)


async def _read_key_first(
    deps: ApiDeps, conn: Connection, request: Request, admit: Admit, effect: Effect, call: Call[Any] | None
) -> bytes:
    """As `read`, of a key that nothing is known of. call: what was admitted of the key as it was."""
    try:
        caller = await deps.keys.read(conn, request, deps.clock.now())
    except Rejected:
        for label in SAID:  # to the key as it was
            request.scope.pop(label, None)
        raise
    noting.known(request, caller)
    if call is None or call.caller != caller:
        call = await admit(caller)
    return call.told(await effect(call, conn))


class ByItself(Exception):
    """What was read together is no answer to this one, which is to be read by itself, its key first."""


class _Wish(NamedTuple):
    """What is asked for with a key as it was. asked: the call, or why it is refused; then: if it still is."""

    key: ApiKey
    asked: Call[Any] | Rejected
    then: Callable[[], None]

    def still_has(self, words: Mapping[str, str]) -> bool:
        """Whether the key is as it was."""
        return words.get(self.key.lookup) == self.key.word


class Readers:
    """As `read`, for all who ask while others are answered: two statements, sent at once, for all of them."""

    def __init__(self, deps: ApiDeps, act: Act) -> None:
        self._deps = deps
        self._act = act
        self._gathering = Gathering(self._find, MOMENT_S)

    async def read(self, request: Request, admit: Admit) -> bytes:
        """What is found for who asks, as JSON. Raises: as `read`."""
        call = None
        known = self._deps.keys.remembered(request, self._deps.clock.now())
        if known is not None:
            asked: Call[Any] | Rejected
            try:
                asked = call = await admit(known.caller)
            except Rejected as refused:
                asked = refused
            with suppress(ByItself):
                wish = _Wish(known.key, asked, partial(noting.known, request, known.caller))
                found = await self._gathering.do(wish)
                assert call is not None, "what was refused has been raised"
                return call.told(found)
        async with self._deps.db.read() as conn:
            return await _read_key_first(self._deps, conn, request, admit, self._alone, call)

    async def _alone(self, call: Call[Any], conn: Connection) -> Shown:
        [found] = await self._act([call], conn)
        if isinstance(found, Rejected):
            raise found
        return found

    async def _find(self, wishes: Sequence[_Wish]) -> Sequence[Shown | Exception]:
        """For each what it is told: ByItself where its key has changed, or where something went wrong."""
        words: dict[str, str] = {}

        def heard(now: Mapping[str, str]) -> None:
            words.update(now)
            for wish in wishes:
                if wish.still_has(words):
                    wish.then()

        calls = [wish.asked for wish in wishes if not isinstance(wish.asked, Rejected)]
        found: Sequence[Shown | Rejected] = ()
        try:
            async with (
                self._deps.db.read() as conn,
                api_keys.words_ahead(conn, (wish.key for wish in wishes), heard),
            ):
                if calls:
                    found = await self._act(calls, conn)
        except Retryable:
            raise
        except Exception:  # one's fault: it meets it again, and alone
            return [ByItself() for _ in wishes]
        each = iter(found)
        told = [wish.asked if isinstance(wish.asked, Rejected) else next(each) for wish in wishes]
        return [
            answer if wish.still_has(words) else ByItself() for wish, answer in zip(wishes, told, strict=True)
        ]
