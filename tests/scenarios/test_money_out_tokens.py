"""Payouts of tokens that do not say what they did: what moved counts, not what was answered."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bascule.domain import vault as layout
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Halted
from bascule.entrypoints.explaining import explain
from tests.support.chain import calldata
from tests.support.money_out import OpenAs, payee, treasury
from tests.support.money_out_setup import LANE, deploy_vault
from tests.support.nodes import Refuse, lying_node


async def test_token_that_refuses_by_answering_false_has_paid_nobody(db_as: OpenAs, tmp_path: Path) -> None:
    async with treasury(db_as, tmp_path, partial(deploy_vault, quirk="RefusesWithFalse")) as stage:
        payout = await stage.approved()
        await stage.run()

        failed = await stage.read(payout)
        assert (failed["status"], failed["failure_code"]) == ("failed", "refused_by_token")
        assert await stage.transfers_out() == []
        await stage.require_truth()


@pytest.mark.slow
async def test_token_that_returns_nothing_pays_each_payee_once(db_as: OpenAs, tmp_path: Path) -> None:
    """As USDT does."""
    async with treasury(db_as, tmp_path, partial(deploy_vault, quirk="ReturnsNothing")) as stage:
        ids = [(await stage.approved(amount, payee(n)))["id"] for n, amount in enumerate(("1.00", "2.00"))]
        await stage.run()

        assert [await stage.status({"id": id}) for id in ids] == ["paid", "paid"]
        moved = {(payee(0), 1_000_000), (payee(1), 2_000_000)}
        assert (set(await stage.transfers_out()), len(await stage.transfers_out())) == (moved, 2)
        assert await stage.rows("SELECT kind, state FROM slots") == [("pay", "final")]
        await stage.require_truth()


@pytest.mark.slow
@pytest.mark.parametrize(("hides", "status", "moved"), [(False, "failed", []), (True, "paid", [10_500_000])])
async def test_token_that_calls_the_vault_back_moves_its_payout_once_or_not_at_all(
    db_as: OpenAs, tmp_path: Path, *, hides: bool, status: str, moved: list[int]
) -> None:
    """It may cancel there, and tries to cancel the very payout that is being paid, after it was sent."""
    async with treasury(db_as, tmp_path, partial(deploy_vault, quirk="Reenters")) as stage:
        payout, after = await stage.approved(), await stage.request("3.00", payee(9))
        submitter = await stage.submitter()
        await stage.vault_owner("setCanceller(address)", checksum(stage.token.contract))
        vault_id = layout.make_id(LANE, 0)
        again = bytes.fromhex(calldata("cancel(uint256[])", [[vault_id]])[2:])
        await stage.issuer("setCallback(address,bytes,bool)", stage.vault, again, hides)
        await stage.run(submitter)

        shown = await stage.read(payout)
        assert (shown["status"], shown["vault_id"]) == (status, str(vault_id))
        assert [units for _, units in await stage.transfers_out()] == moved
        await stage.issuer("setCallback(address,bytes,bool)", checksum(Address(bytes(20))), b"", False)
        await stage.approve(after)
        await stage.run(submitter)
        assert await stage.status(after) == "paid", "the lane goes on"
        await stage.require_truth()


async def test_a_payout_that_failed_says_what_its_tokens_issuer_said(db_as: OpenAs, tmp_path: Path) -> None:
    """By the log of the very refusal; what was lifted by the time it is final changes nothing."""
    async with treasury(db_as, tmp_path) as stage:
        submitter = await stage.submitter()
        told: list[tuple[str, str]] = []
        for deed, undone, of in (
            ("pause()", "unpause()", []),
            ("blacklist(address)", "unBlacklist(address)", [payee(7)]),
            ("blacklist(address)", "unBlacklist(address)", [stage.vault]),
        ):
            payout = await stage.approved("5.00", payee(7))
            await submitter.run_once()
            assert await stage.status(payout) == "in_transit"
            await stage.issuer(deed, *of, maxFeePerGas=10**12, maxPriorityFeePerGas=10**11)
            await stage.issuer(undone, *of)
            await stage.run(submitter)
            async with stage.owner.read() as conn:
                explained = await explain(conn, payout["id"])
            assert explained is not None
            told.append(((await stage.read(payout))["failure_code"], explained["failure"]))

        assert [code for code, _ in told] == ["token_paused", "destination_frozen", "refused_by_token"]
        assert ["lifts that" in told[0][1], "another address" in told[1][1]] == [True, True]
        assert await stage.transfers_out() == []
        await stage.require_truth()


async def test_payouts_of_a_paused_token_wait_unsigned_and_go_on_when_it_is_unpaused(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """Asked of the token itself, as its word may be read later than a batch would be taken."""
    async with treasury(db_as, tmp_path) as stage:
        submitter = await stage.submitter()
        payouts = [await stage.approved("5.00"), await stage.approved("6.00")]
        await stage.issuer("pause()")
        for said in ("token_paused", "token_suspended:paused"):
            await submitter.run_once()
            shown = [await stage.read(payout) for payout in payouts]
            assert [(each["status"], each["waits_for"]) for each in shown] == [("pending", said)] * 2
            async with stage.owner.read() as conn:
                explained = await explain(conn, payouts[0]["id"])
            assert explained is not None
            assert "when the issuer lifts that" in explained["next"]
            await stage.follow(1)  # now the watcher has read it too

        assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
        assert await stage.rows("SELECT count(*) FROM signer.slots") == [(0,)]
        await stage.issuer("unpause()")
        await stage.follow(3)
        await stage.run(submitter)

        assert [await stage.status(payout) for payout in payouts] == ["paid", "paid"]
        assert len(await stage.transfers_out()) == 2
        await stage.require_truth()


@pytest.mark.slow
async def test_payouts_of_a_token_that_froze_the_vault_wait_unsigned_and_go_on_when_it_is_let_go(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """Asked of the token itself, as its event may be read late or never come."""
    async with treasury(db_as, tmp_path) as stage:
        submitter = await stage.submitter()
        payouts = [await stage.approved("5.00", payee(7)), await stage.approved("6.00", payee(7))]
        await stage.issuer("blacklist(address)", stage.vault)
        await stage.issuer("blacklist(address)", payee(8))
        for _ in range(2):
            assert await submitter.run_once() == 0
        shown = [await stage.read(payout) for payout in payouts]
        assert [(each["status"], each["waits_for"]) for each in shown] == [("pending", "vault_frozen")] * 2
        async with stage.owner.read() as conn:
            explained = await explain(conn, payouts[0]["id"])
        assert explained is not None
        assert "goes on when that is lifted" in explained["next"]
        assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
        assert await stage.rows("SELECT count(*) FROM signer.slots") == [(0,)]

        await stage.issuer("unBlacklist(address)", stage.vault)
        barred = await stage.approved("7.00", payee(8))
        await submitter.run_once()  # before any of these events is read
        await stage.run(submitter)
        assert [await stage.status(payout) for payout in (*payouts, barred)] == ["paid", "paid", "failed"]
        assert (await stage.read(barred))["failure_code"] == "destination_frozen"
        await stage.require_truth()


async def test_payouts_whose_token_burns_all_gas_wait_and_hold_no_lane(db_as: OpenAs, tmp_path: Path) -> None:
    """Alone it ends the vault's call without a revert; beside others it leaves too little to the next one."""
    async with treasury(db_as, tmp_path, partial(deploy_vault, quirk="BurnsGas")) as stage:
        payouts = [await stage.approved() for _ in range(3)]
        assert await (await stage.submitter()).run_once() == 0

        shown = [await stage.read(payout) for payout in payouts]
        assert [each["waits_for"] for each in shown] == ["vault_refuses:OutOfGas"] * 3
        assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
        await stage.require_truth()


@pytest.mark.slow
async def test_payee_who_burns_all_gas_is_in_nobodys_way(db_as: OpenAs, tmp_path: Path) -> None:
    """As a token with hooks lets it, which calls its payees; the batch is halved until it is alone."""
    hostile, burns = payee(66), True

    def burn(method: str, params: list[Any], result: Any) -> Any:
        if burns and method == "eth_call" and hostile[2:].lower() in params[0]["data"]:
            raise Refuse("out of gas")
        return result

    async with treasury(db_as, tmp_path) as stage, lying_node(stage.node.url) as node:
        node.twist = burn
        submitter = await stage.submitter(url=node.url)
        payouts = []
        for to in (payee(1), hostile, payee(2), payee(3)):
            payouts.append(await stage.approved("5.00", to))
            stage.clock.advance(timedelta(seconds=1))  # the older one comes first
        first, held, *others = payouts
        await stage.run(submitter, rounds=2)

        assert [await stage.status(each) for each in (first, *others)] == ["paid"] * 3
        shown = await stage.read(held)
        assert (shown["status"], shown["waits_for"]) == ("pending", "vault_refuses:OutOfGas")
        assert await stage.rows("SELECT count(*) FROM slots") == [(2,)]
        assert await submitter.run_once() == 0
        burns = False
        await stage.run(submitter)
        assert await stage.status(held) == "paid"
        await stage.require_truth()


@pytest.mark.slow
async def test_many_payees_who_burn_all_gas_cost_a_turn_a_bounded_number_of_simulations(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """A turn that outlasts its lease is begun anew by another: nobody behind them would be paid."""
    hostile = {payee(60 + n)[2:].lower() for n in range(9)}
    simulated: list[str] = []

    def burn(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_call" and "gas" in params[0]:
            simulated.append(params[0]["data"])
            if any(to in params[0]["data"] for to in hostile):
                raise Refuse("out of gas")
        return result

    async with treasury(db_as, tmp_path) as stage, lying_node(stage.node.url) as node:
        node.twist = burn
        submitter = await stage.submitter(url=node.url, max_items=4)
        payouts = []
        for to in (*sorted(hostile), payee(1)):
            payouts.append(await stage.approved("5.00", "0x" + to.removeprefix("0x")))
            stage.clock.advance(timedelta(seconds=1))  # the older one comes first
        *held, good = payouts
        costs = []
        for _ in range(5):
            simulated.clear()
            await submitter.run_once()
            costs.append(len(simulated))
            await stage.follow(3)

        assert max(costs) <= 4 * 3 + 1, "four of them, of which a batch of four is halved twice, and one look"
        assert costs[-1] <= 3, "the others are remembered, and one is tried again"
        assert await stage.status(good) == "paid"
        assert {(await stage.read(each))["waits_for"] for each in held} == {"vault_refuses:OutOfGas"}
        await stage.cancel(held.pop(0))
        hostile.clear()
        await stage.run(submitter, rounds=12)
        assert {await stage.status(each) for each in held} == {"paid"}
        await stage.require_truth()


async def test_token_that_denies_what_it_moved_stops_its_lane_and_is_not_paid_again(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """The vault calls it refused, the Transfer stands there: neither is believed, so a person has to look."""
    async with treasury(db_as, tmp_path, partial(deploy_vault, quirk="MovesAndReturnsFalse")) as stage:
        payout = await stage.approved("5.00", payee(1))
        for _ in range(2):
            with pytest.raises(Halted, match="token not plain"):
                await stage.run()

        assert await stage.status(payout) == "in_transit"
        assert await stage.transfers_out() == [(payee(1), 5_000_000)]
