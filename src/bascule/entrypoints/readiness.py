"""Whether a process can do its work: the database answers, and every network is followed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bascule.chain import families
from bascule.domain.chain import caip2
from bascule.domain.errors import BasculeError
from bascule.services.seams import Clock
from bascule.storage import gas, health, lanes, signer_alarms
from bascule.storage.database import Database
from bascule.storage.health import Followed

ALARM_LASTS = timedelta(days=1)  # and longer while what was refused is still asked for


async def readiness(db: Database, clock: Clock, most_lag_s: float) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of /readyz; nothing in it is secret.

    degraded: works, and the signer refused what contradicts it; 200.
    """
    try:
        async with db.read() as conn:
            found = await health.followed(conn)
            short = [(chain_id, tank) for chain_id, tank in await gas.standing(conn) if tank.short]
            closed = await lanes.closed(conn)
            refused = await signer_alarms.open_by_network(conn, clock.now() - ALARM_LASTS)
    except BasculeError:
        return 503, {"status": "not_ready", "database": "not_answering", "halted_networks": []}
    networks = [_shown(each, clock.now(), most_lag_s) for each in found]
    halted = {each["network"]: each["reason"] for each in networks if each["state"] == "halted"}
    well = all(each["state"] in ("followed", "not_started") for each in networks)
    status = ("degraded" if refused else "ready") if well else "halted" if halted else "not_ready"
    return 200 if well else 503, {
        "status": status,
        "database": "ok",
        "halted_networks": list(halted),
        "networks": networks,
        "short_wallets": [f"{caip2(chain_id)}/{tank.name}" for chain_id, tank in short],
        "closed_lanes": closed,
        "signer_refusals": {caip2(chain_id): count for chain_id, count in refused.items()},
    }


def state_of(each: Followed, lag_s: float | None, most_lag_s: float) -> str:
    """halted, no_leader, lagging or followed; not_started before its watcher has read a first block."""
    if each.halted_reason is not None:
        return "halted"
    if each.last_number is None:
        return "not_started"
    if not each.led:
        return "no_leader"
    return "followed" if lag_s is None or lag_s <= most_lag_s else "lagging"


def _shown(each: Followed, now: datetime, most_lag_s: float) -> dict[str, Any]:
    lag_s = each.lag_s(now, families.quiet_s(each.chain_id))
    state = state_of(each, lag_s, most_lag_s)
    shown = {"network": caip2(each.chain_id), "state": state, "reason": each.halted_reason}
    stopped = None if each.collector_alarm is None else f"stopped: collector {each.collector_alarm}"
    return shown | {"lag_seconds": None if lag_s is None else round(lag_s, 1), "flushes": stopped}
