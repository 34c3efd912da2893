"""/v1/policies: what an account may pay out, as data; and what that would say of a payout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain import policy as rulebook
from bascule.domain.policy import Rules
from bascule.entrypoints.api import lists, policy_shapes
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.policy_shapes import PolicyCreate, PolicyList, PolicySimulate, RulesParams
from bascule.entrypoints.api.shape import ListOf
from bascule.services import policies
from bascule.services.payout_request import PayoutRequest
from bascule.storage.database import Connection
from bascule.storage.listing import POLICIES
from bascule.storage.policies import get


async def create(call: Call[PolicyCreate], conn: Connection) -> dict[str, Any]:
    """A new version of a policy; it rules from now on, and approvals given under an older one are void."""
    return await call.deps.policies.set(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        token_id=call.params.token,
        rules=_rules(call.params),
        actor=call.caller.key_id,
        description=call.params.description,
        request_id=call.request_id,
    )


async def list_all(call: Call[PolicyList], conn: Connection) -> dict[str, Any]:
    """All versions of the caller's policies; those in force say so."""
    lists.expanding(call.params, frozenset())
    filters = lists.exact(POLICIES, token_id=call.params.token)
    return await lists.answer(call, conn, POLICIES, _describe, filters=filters)


async def simulate(call: Call[PolicySimulate], conn: Connection) -> dict[str, Any]:
    """What asking for this payout would be answered now. Nothing is written."""
    params = call.params
    request = PayoutRequest(
        params.amount, params.currency, params.network, params.to, params.token, mandate=params.mandate,
        kind=params.kind,
    )  # fmt: skip
    return await call.deps.policies.simulate(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=request,
        maker=call.caller.holder,
        trying=None if params.rules is None else _rules(params.rules),
    )


def _rules(params: RulesParams) -> Rules:
    return rulebook.read(params.model_dump(include=set(RulesParams.model_fields)))


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    found = [await get(conn, id) for id in ids]
    return await policies.describe(conn, [row for row in found if row is not None])


_PATH = "/v1/policies"
_CREATE = {
    "approvals": [{"required": 1}, {"above": "1000.00", "required": 2}],
    "max_per_payout": "5000.00",
    "max_per_day": "20000.00",
    "max_per_destination_per_day": "5000.00",
    "velocity": {"count": 100, "seconds": 3600},
}
_SIMULATE = {
    "amount": "1500.00",
    "currency": "usdc",
    "network": "eip155:31337",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_policy", "Set a policy", "policies:write", create, PolicyCreate,
        policy_shapes.Policy, "optional", example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_policies", "List policies", "policies:read", list_all, PolicyList,
        ListOf[policy_shapes.Policy],
    ),
    Operation(
        "POST", f"{_PATH}/simulate", "simulate_policy", "Try a payout against policy", "policies:read",
        simulate, PolicySimulate, policy_shapes.PolicySimulation, example=_SIMULATE,
    ),
)  # fmt: skip
