"""/v1/…/{id}/travel_rule: who pays whom, beside payment intents, payouts and refunds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from bascule.domain.travel_rule import Party, party
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Params, Text200, Text1000
from bascule.entrypoints.api.shape import Seconds, Shape
from bascule.services import intents, payouts, refunds, travel_rule
from bascule.storage.database import Connection


class PartyParams(Params):
    """One side. account_reference: an account or a ledger's address; vasp: the provider, by name or LEI."""

    name: Text200 | None = None
    account_reference: Text200 | None = None
    address: Text1000 | None = None
    country: Text200 | None = None
    vasp: Text200 | None = None


class TravelRuleRecord(Params):
    """Both sides as they are known now; what was recorded before is replaced whole, and kept."""

    originator: PartyParams | None = None
    beneficiary: PartyParams | None = None


class PartyShape(Shape):
    """One side of a transfer."""

    name: str
    account_reference: str | None
    address: str | None
    country: str | None
    vasp: str | None


class TravelRule(Shape):
    """Who pays whom. In no event, log or other object."""

    object: Literal["travel_rule"]
    of: str
    originator: PartyShape | None
    beneficiary: PartyShape | None
    recorded_by: str
    version: int
    livemode: bool
    created: Seconds


@dataclass(frozen=True)
class _Beside:
    """The operations beside one kind of object. own: refuses what is not the caller's."""

    noun: str
    prefix: str
    own: Callable[[Connection, str, str, bool], Awaitable[Any]]

    async def record(self, call: Call[TravelRuleRecord], conn: Connection) -> dict[str, Any]:
        """Keeps who pays whom; the same again changes nothing, so it takes no Idempotency-Key."""
        found = call.id(self.prefix)
        await self.own(conn, found, call.account_id, call.livemode)
        return await travel_rule.record(
            conn, call.deps.clock, found, account_id=call.account_id, livemode=call.livemode,
            originator=_party("originator", call.params.originator),
            beneficiary=_party("beneficiary", call.params.beneficiary),
            actor=call.caller.key_id, request_id=call.request_id,
        )  # fmt: skip

    async def read(self, call: Call[Expandable], conn: Connection) -> dict[str, Any]:
        """Who pays whom, as it was recorded last."""
        lists.expanding(call.params, frozenset())
        found = call.id(self.prefix)
        await self.own(conn, found, call.account_id, call.livemode)
        return await travel_rule.read(conn, found)

    def operations(self) -> tuple[Operation, Operation]:
        """Reading and recording."""
        path, name = f"/v1/{self.noun}s/{{id}}/travel_rule", f"{self.noun}_travel_rule"
        of = self.noun.replace("_", " ")
        return (
            Operation(
                "GET", path, f"get_{name}", f"Read who pays whom in a {of}", f"{self.noun}s:read", self.read,
                Expandable, TravelRule,
            ),
            Operation(
                "POST", path, f"record_{name}", f"Say who pays whom in a {of}", f"{self.noun}s:write",
                self.record, TravelRuleRecord, TravelRule, example=_EXAMPLE,
            ),
        )  # fmt: skip


def _party(side: str, said: PartyParams | None) -> Party | None:
    return None if said is None else party(side, said.model_dump())


_EXAMPLE = {"beneficiary": {"name": "Ada Example", "country": "DE", "vasp": "529900T8BM49AURSDO55"}}
OPERATIONS = tuple(
    operation
    for beside in (
        _Beside("payment_intent", "pi", intents.own),
        _Beside("payout", "po", payouts.own),
        _Beside("refund", "re", refunds.own),
    )
    for operation in beside.operations()
)
