"""An operator takes a suspended token back: audited, told, and its open break resolved by that decision."""

from bascule.domain.breaks import TYPES, Ends
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.services.breaks import Breaks
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.services.suspending import Suspending
from bascule.storage import audit, breaks, tokens
from bascule.storage.database import Connection
from bascule.storage.suspensions import Suspension

RESUMED = frozenset(name for name, kind in TYPES.items() if kind.ends is Ends.RESUMED)


async def resume(
    conn: Connection, token_id: str, *, reason: str, clock: Clock, outbox: Outbox, actor: str = "cli"
) -> list[Suspension]:
    """What stood against the token and stands no more, in the caller's transaction (of the owner).

    Raises: NotFound; Rejected without a reason; Conflict `token_unexpected_state` when nothing stands.
    """
    if not reason.strip():
        raise Rejected("parameter_missing", "A token is resumed for a reason.", param="reason")
    token = await tokens.get(conn, token_id)
    if token is None:
        raise NotFound("resource_missing", f"There is no token {token_id}.", next_step="bascule tokens list")
    ended = await Suspending(clock, outbox).resume(conn, token, by=actor, reason=reason)
    if not ended:
        raise Conflict("token_unexpected_state", f"Token {token_id} is not suspended.")
    causes = [each.cause for each in ended]
    resolution = {"by": actor, "reason": reason}
    for each in await breaks.open_now(conn):
        if each.token_id == token_id and each.type in RESUMED:
            await Breaks(outbox).resolve(conn, each, resolution)
    details = {"reason": reason, "causes": causes}
    await audit.append(conn, actor=actor, action="token.resume", object_id=token_id, details=details)
    return ended
