"""Policies: new versions, audited, and what they would say of a payout that nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain import policy as rulebook
from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.errors import Rejected
from bascule.domain.ids import Prefix
from bascule.domain.policy import Rules
from bascule.services import mandate_rounds, policy
from bascule.services.payout_request import PayoutRequest, read_terms, require_foreign
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import approvals, audit, networks, policies, tokens
from bascule.storage.database import Connection
from bascule.storage.policies import Policy


@dataclass(frozen=True)
class Policies:
    """Use-cases on policies, each in the caller's transaction."""

    clock: Clock
    entropy: Entropy

    async def set(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        token_id: str | None,
        rules: Rules,
        actor: str,
        description: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """A new version, which rules from the commit on. token_id: None for tokens without their own.

        Raises: Rejected `token_unknown`, `approver_unknown`.
        """
        await self._require_token(conn, token_id, livemode)
        await self._require_people(conn, account_id, rules)
        made = await policies.add(
            conn,
            id=new_id(Prefix.POLICY, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            token_id=token_id,
            rules=rules,
            created_by=actor,
            created_at=self.clock.now(),
            description=description,
        )
        await audit.append(
            conn,
            actor=actor,
            action="policy.set",
            object_id=made.id,
            details={"account": account_id, "token": token_id, "version": made.version}
            | rulebook.write(rules),
            request_id=request_id,
        )
        [shown] = await describe(conn, [made])
        return shown

    async def simulate(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: PayoutRequest,
        maker: Address | None,
        trying: Rules | None = None,
    ) -> dict[str, Any]:
        """What would be said of this payout now, by the rules in force or by others; nothing is written.

        Raises: Rejected where the payout could not even be judged, as when it is asked for.
        """
        terms = await read_terms(conn, request, account_id=account_id, livemode=livemode)
        await require_foreign(conn, terms.network.chain_id, terms.destination)
        verdict = await policy.judge(
            conn,
            account_id=account_id,
            livemode=livemode,
            token=terms.token,
            amount=terms.amount,
            destination=terms.destination,
            maker=maker,
            now=self.clock.now(),
            trying=trying,
        )
        allowed = verdict.decision.outcome == "allow"
        decision, mandate = verdict.decision, None
        if allowed:
            decision, mandate = await mandate_rounds.judged(
                conn, verdict, terms, account_id=account_id, livemode=livemode, kind=request.kind,
                named=request.mandate, now=self.clock.now(),
            )  # fmt: skip
        people = verdict.may_sign if mandate is None else None
        return {
            "object": "policy_simulation",
            "outcome": verdict.decision.outcome,
            "code": None if allowed else verdict.decision.rule.code,
            "policy": verdict.policy_id,
            "policy_decision": decision.shown(people),
            "mandate": None if mandate is None else mandate.id,
            "approvals_required": verdict.decision.approvals_required,
            "approvers": [checksum(each) for each in sorted(people or ())],
            "amount": terms.amount.display(),
            "currency": terms.token.currency,
            "network": caip2(terms.network.chain_id),
            "to": checksum(terms.destination),
            "spent_today": rulebook.spelled(verdict.facts.spent_today),
            "spent_on_destination_today": rulebook.spelled(verdict.facts.spent_on_destination),
            "asked_in_window": verdict.facts.asked_in_window,
            "livemode": livemode,
        }

    async def _require_token(self, conn: Connection, token_id: str | None, livemode: bool) -> None:
        if token_id is None:
            return
        token = await tokens.get(conn, token_id)
        network = None if token is None else await networks.get(conn, token.chain_id)
        if network is None or network.livemode != livemode:
            raise Rejected("token_unknown", f"There is no such token: {token_id!r:.70}.", param="token")

    async def _require_people(self, conn: Connection, account_id: str, rules: Rules) -> None:
        version = await approvals.roster_version(conn, account_id) or 0
        strangers = rules.approvers - set(await approvals.roster(conn, account_id, version))
        if strangers:
            raise Rejected(
                "approver_unknown",
                f"{checksum(min(strangers))} does not approve for this account.",
                param="approvers",
                next_step="Name people of the account's roster, or none for all of them.",
            )


async def describe(conn: Connection, rows: Sequence[Policy]) -> list[dict[str, Any]]:
    """Versions of one account's policies as the API shows them."""
    if not rows:
        return []
    ruling = await policies.in_force(conn, rows[0].account_id, rows[0].livemode)
    return [_shown(row, ruling=row.id in ruling) for row in rows]


def _shown(row: Policy, *, ruling: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "policy",
        "token": row.token_id,
        "version": row.version,
        "in_force": ruling,
        **rulebook.write(row.rules),
        "description": row.description,
        "created_by": row.created_by,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
    }
