"""One effect per key: the lock, the effect and the stored answer share one database transaction.

Errors are not stored: nothing was written, so the same key may try again. A crash before the commit leaves
nothing, a crash after it leaves the answer, which the retry gets byte for byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request

from bascule.domain.errors import Rejected
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.problems import KeyInUse, KeyReused
from bascule.storage import idempotency
from bascule.storage.database import Connection
from bascule.storage.idempotency import Scope, StoredAnswer

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
Effect = Callable[[Connection], Awaitable[bytes]]
Act = Callable[[], Awaitable[bytes]]


def read_key(request: Request, *, required: bool) -> str | None:
    """The Idempotency-Key, unquoted if it came as a quoted string. Raises: Rejected."""
    given = request.headers.get("idempotency-key")
    if given is None:
        if required:
            raise Rejected(
                "idempotency_key_missing",
                "Requests that may move money need the header Idempotency-Key.",
                next_step="Send a fresh UUID as Idempotency-Key, and the same one when you retry.",
            )
        return None
    key = given[1:-1] if len(given) > 2 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise Rejected("idempotency_key_invalid", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


def fingerprint(request: Request, caller: Caller, params: Any, *, of_key: bool = False) -> bytes:
    """What makes two requests the same: method, path, decoded parameters and the acting account.

    of_key: the same key too, where the answer holds a secret that a lesser key may not be given.
    """
    parts = [
        request.method,
        request.url.path,
        caller.account_id,
        params,
        *([caller.key_id] if of_key else []),
    ]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


async def once(
    deps: ApiDeps, caller: Caller, key: str | None, print_: bytes, effect: Effect
) -> tuple[bytes, bool]:
    """The answer and whether it is a replay. Raises: KeyInUse, KeyReused, and what the effect raises."""
    async with deps.db.transaction() as conn:
        if key is None:
            answer = await effect(conn)
            deps.failpoints.hit("api.before_commit")
        else:
            scope = Scope(caller.account_id, caller.livemode, key)
            if not await idempotency.try_lock(conn, scope):
                raise _in_use()
            stored = await idempotency.find(conn, scope)
            if stored is not None:
                return _replayed(stored, print_), True
            answer = await effect(conn)
            await idempotency.keep(conn, scope, StoredAnswer(print_, 200, answer), deps.clock.now())
            deps.failpoints.hit("api.before_commit")
    deps.failpoints.hit("api.after_commit")
    return answer, False


async def once_outside(
    deps: ApiDeps, caller: Caller, key: str | None, print_: bytes, act: Act
) -> tuple[bytes, bool]:
    """As `once`, for what acts on a node: no transaction is open while it does.

    The answer is kept after the act, and what is in flight is known to this process alone. After a crash in
    between a retry acts again, so nothing that may never happen twice is done this way.
    """
    if key is None:
        return await act(), False
    scope = Scope(caller.account_id, caller.livemode, key)
    if scope in deps.in_flight:
        raise _in_use()
    deps.in_flight.add(scope)
    try:
        async with deps.db.read() as conn:
            stored = await idempotency.find(conn, scope)
        if stored is not None:
            return _replayed(stored, print_), True
        answer = await act()

        async def kept(conn: Connection) -> bytes:
            return answer

        return await once(deps, caller, key, print_, kept)
    finally:
        deps.in_flight.discard(scope)


def _in_use() -> KeyInUse:
    return KeyInUse("idempotency_key_in_use", "A request with this Idempotency-Key is being worked on.")


def _replayed(stored: StoredAnswer, print_: bytes) -> bytes:
    if stored.fingerprint != print_:
        raise KeyReused(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request.",
            next_step="Use a fresh key for a different request.",
        )
    return stored.body
