"""An operator takes a suspended token back: audited, told, and its open break resolved by that decision."""

from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.services.balance_check import BREAK_TYPE
from bascule.services.outbox import Outbox
from bascule.services.outflows import BREAK_TYPE as UNEXPLAINED
from bascule.services.seams import Clock
from bascule.services.suspending import Suspending
from bascule.storage import audit, reconciliations, tokens
from bascule.storage.database import Connection
from bascule.storage.suspensions import Suspension


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
    await reconciliations.advance_break(
        conn, type=BREAK_TYPE, subject=token_id, resolution=resolution, at=clock.now()
    )
    for each in await reconciliations.open_breaks(conn):
        if each["type"] == UNEXPLAINED and each["subject"].startswith(f"{token_id}/"):
            await reconciliations.advance_break(
                conn, type=UNEXPLAINED, subject=each["subject"], resolution=resolution, at=clock.now()
            )
    details = {"reason": reason, "causes": causes}
    await audit.append(conn, actor=actor, action="token.resume", object_id=token_id, details=details)
    return ended
