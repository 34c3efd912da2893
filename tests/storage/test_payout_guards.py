"""What the database lets the API do to a payout: ask, approve, call off; the rest is not its to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import errors

from bascule.domain.errors import Halted
from bascule.storage import ledger
from tests.support.cases import case
from tests.support.money_out import OpenAs, Treasury, treasury

COPIED = (
    "account_id, livemode, token_id, chain_id, vault, destination, amount, approvals_required,"
    " approval_expires_at, roster_version, policy_decision, requested_by, created_at"
)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def as_api(stage: Treasury, statement: LiteralString, *values: object) -> None:
    async with stage.api.transaction() as conn:
        await conn.execute(statement, values)


@pytest.mark.parametrize("state", ["requires_action", "canceled", "failed"])
async def test_api_role_cannot_end_a_payout_in_transit(stage: Treasury, state: str) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()

    async with stage.api.read() as conn:
        with pytest.raises(errors.InsufficientPrivilege):
            await conn.execute(
                "UPDATE payouts SET state = %s, failure_code = CASE WHEN %s = 'failed' THEN 'x' END",
                (state, state),
            )
        with pytest.raises(Halted, match="its hold stays"):
            await ledger.post_release(conn, payout["id"])

    assert await stage.status(payout) == "in_transit"
    await stage.run()
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_api_role_says_of_a_payout_it_ends_that_it_was_rejected_and_nothing_else(
    stage: Treasury,
) -> None:
    asked = await stage.request("100.00")
    ends: LiteralString = "UPDATE payouts SET state = 'canceled', failure_code = %s WHERE id = %s"
    for code in ("token_paused", "approval_expired", "x"):
        with pytest.raises(errors.InsufficientPrivilege):
            await as_api(stage, ends, code, asked["id"])
    with pytest.raises(errors.InsufficientPrivilege):
        await as_api(stage, "UPDATE payouts SET failure_code = 'approval_rejected'")

    await as_api(stage, ends, "approval_rejected", asked["id"])

    with pytest.raises(errors.CheckViolation, match="end_has_code"):
        await stage.rows_change("UPDATE payouts SET state = 'requires_action'")
    stage.tells = False  # it was not the use-case that ended it


async def test_api_role_cannot_make_a_payout_pending_without_a_hold(stage: Treasury) -> None:
    payout = await stage.approve(await stage.request("100.00"), 1)

    with pytest.raises(errors.CheckViolation, match="hold"):
        await as_api(stage, "UPDATE payouts SET state = 'pending', holds = holds + 1")

    assert await stage.status(payout) == "requires_action"


async def test_api_role_cannot_cancel_a_payout_and_keep_its_hold(stage: Treasury) -> None:
    await stage.approved()

    with pytest.raises(errors.CheckViolation, match="hold"):
        await as_api(stage, "UPDATE payouts SET state = 'canceled'")

    await stage.require_truth()


NOT_THE_APIS: tuple[LiteralString, ...] = (
    "vault = decode(repeat('66', 20), 'hex')",
    "vault_id = 0",
    "approvals_required = 1",
    "approval_expires_at = now() + interval '9 years'",
    "roster_version = 2",
    "stuck = true",
    "created_at = now() - interval '2 days'",
)


async def test_api_role_changes_no_column_that_is_not_its_own(stage: Treasury) -> None:
    await stage.approved()

    for column in NOT_THE_APIS:
        with case(column), pytest.raises(errors.InsufficientPrivilege):
            await as_api(stage, "UPDATE payouts SET " + column)


BEGUN: tuple[dict[LiteralString, LiteralString], ...] = (
    {"state": "'pending'", "holds": "1"},
    {"state": "'in_transit'", "vault_id": "7"},
    {"state": "'canceled'"},
    {"vault_id": "0"},
    {"holds": "3"},
)


async def test_api_role_inserts_payouts_at_their_beginning_alone(stage: Treasury) -> None:
    await stage.request()
    beginning: dict[LiteralString, LiteralString] = {
        "state": "'requires_action'", "vault_id": "NULL", "holds": "0",
    }  # fmt: skip

    for begun in BEGUN:
        columns = beginning | begun
        with case(begun), pytest.raises(errors.InsufficientPrivilege):
            await as_api(
                stage,
                f"INSERT INTO payouts (id, identity, {COPIED}, {', '.join(columns)})"
                f" SELECT id || 'x', identity || 'x', {COPIED}, {', '.join(columns.values())} FROM payouts",
            )

    assert await stage.rows("SELECT count(*) FROM payouts") == [(1,)]
