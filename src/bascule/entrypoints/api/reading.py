"""What only reads our rows: who asks and what they ask for, in one turn of the network where that can be.

Of a key that was good a moment ago it is asked whether it still is along with the first statement of what is
read, and heard before that. Any other key is read by itself, before anything else is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from bascule.domain.errors import Rejected
from bascule.entrypoints.api import noting
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.storage import api_keys
from bascule.storage.database import Connection

if TYPE_CHECKING:
    from bascule.entrypoints.api.operation import Call

Admit = Callable[[Caller], Awaitable["Call[Any]"]]
SAID = "bascule.limits", "bascule.version"  # by `admit`, to be told with the answer
Effect = Callable[["Call[Any]", Connection], Awaitable[dict[str, Any]]]


async def read(deps: ApiDeps, conn: Connection, request: Request, admit: Admit, effect: Effect) -> bytes:
    """What the effect finds for who asks, as JSON.

    Raises: Unauthenticated before all that `admit` and it raise.
    """
    now, call = deps.clock.now(), None
    known = deps.keys.remembered(request, now)
    if known is not None:
        then = partial(noting.known, request, known.caller)
        try:
            async with api_keys.while_unchanged(conn, known.key, then):
                call = await admit(known.caller)
                return call.told(await effect(call, conn))
        except api_keys.KeyChanged:
            pass  # so it is read
    try:
        caller = await deps.keys.read(conn, request, now)
    except Rejected:
        for label in SAID:  # to the key as it was
            request.scope.pop(label, None)
        raise
    noting.known(request, caller)
    if call is None or call.caller != caller:
        call = await admit(caller)
    return call.told(await effect(call, conn))
