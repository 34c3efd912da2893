"""PayoutVault beside `pay`: who may do what, and that nobody may do more."""

import pytest

from tests.support.contracts import Chain
from tests.support.vault import FLOAT, LANE, WINDOW, Stage, item, payee, stage_on, word_of

WORD = word_of(LANE)


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_vault_is_born_with_its_roles(stage: Stage) -> None:
    read = stage.vault.read

    assert (read("owner"), read("treasury")) == (stage.owner, stage.treasury)
    assert (read("guardian"), read("canceller")) == (stage.guardian, stage.canceller)
    assert (read("paused"), read("operator", LANE), read("retired", LANE)) == (False, stage.operator, False)
    assert (read("ITEM_GAS_FLOOR"), read("WINDOW_SLICES")) == (200_000, 8)


def test_vault_cannot_be_born_without_owner_or_treasury(stage: Stage) -> None:
    nobody, someone = bytes(20), stage.stranger

    refusal = stage.chain.deploy_refusal("PayoutVault", nobody, someone, someone, someone)
    assert refusal == ("OwnableInvalidOwner", nobody)
    refusal = stage.chain.deploy_refusal("PayoutVault", someone, nobody, someone, someone)
    assert refusal == ("InvalidTreasury", nobody)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("unpause", ()),
        ("setLane", (LANE, bytes(20))),
        ("setLimit", (bytes(20), 1, WINDOW)),
        ("setGuardian", (bytes(20),)),
        ("setCanceller", (bytes(20),)),
        ("withdraw", (bytes(20), 1)),
        ("transferOwnership", (bytes(20),)),
    ],
)
def test_owners_methods_refuse_everyone_else(
    stage: Stage, method: str, arguments: tuple[object, ...]
) -> None:
    for caller in (stage.operator, stage.guardian, stage.canceller, stage.treasury, stage.stranger):
        assert stage.vault.refusal(method, *arguments, by=caller) == ("OwnableUnauthorizedAccount", caller)


@pytest.mark.parametrize(("method", "arguments"), [("pause", ()), ("retireLane", (LANE,))])
def test_guardians_methods_refuse_everyone_else(
    stage: Stage, method: str, arguments: tuple[object, ...]
) -> None:
    for caller in (stage.owner, stage.operator, stage.canceller, stage.stranger):
        assert stage.vault.refusal(method, *arguments, by=caller) == ("NotGuardian", caller, stage.guardian)


def test_cancel_refuses_everyone_but_the_canceller(stage: Stage) -> None:
    for caller in (stage.owner, stage.operator, stage.guardian, stage.stranger):
        assert stage.vault.refusal("cancel", [1], by=caller) == ("NotCanceller", caller, stage.canceller)


def test_canceled_ids_of_any_lane_become_used(stage: Stage) -> None:
    ids = [WORD << 8 | 255, word_of(99, 5) << 8, WORD << 8]

    receipt = stage.vault.send("cancel", ids, by=stage.canceller)

    assert stage.vault.events(receipt) == [("PayoutCanceled", one) for one in ids]
    assert all(stage.vault.read("used", one) for one in ids)
    assert stage.vault.read("usedMask", WORD) == 1 | 1 << 255


def test_cancel_names_only_ids_that_were_unused(stage: Stage) -> None:
    stage.pay([item(0, 10, payee(0))])
    fresh = WORD << 8 | 1

    receipt = stage.vault.send("cancel", [WORD << 8, fresh, fresh], by=stage.canceller)

    assert stage.vault.events(receipt) == [("PayoutCanceled", fresh)]


def test_cancel_works_while_paused_and_on_retired_lanes(stage: Stage) -> None:
    stage.vault.send("pause", by=stage.guardian)
    stage.vault.send("retireLane", LANE, by=stage.guardian)

    stage.vault.send("cancel", [WORD << 8], by=stage.canceller)

    assert stage.vault.read("used", WORD << 8)


def test_pause_and_unpause_are_announced_and_never_repeated(stage: Stage) -> None:
    assert stage.vault.refusal("unpause", by=stage.owner) == ("ExpectedPause",)
    receipt = stage.vault.send("pause", by=stage.guardian)
    assert stage.vault.events(receipt) == [("Paused", stage.guardian)]
    assert stage.vault.refusal("pause", by=stage.guardian) == ("EnforcedPause",)
    receipt = stage.vault.send("unpause", by=stage.owner)
    assert stage.vault.events(receipt) == [("Unpaused", stage.owner)]


def test_lane_passes_to_another_operator_with_its_head(stage: Stage) -> None:
    stage.pay([item(0, 10, payee(0))])
    head = stage.vault.read("head", LANE)

    receipt = stage.vault.send("setLane", LANE, stage.stranger, by=stage.owner)

    assert stage.vault.events(receipt) == [("LaneSet", LANE, stage.stranger)]
    assert stage.vault.read("head", LANE) == head
    assert stage.refusal([item(1, 10, payee(0))]) == ("NotOperator", stage.operator, stage.stranger)
    stage.pay([item(1, 10, payee(0))], by=stage.stranger)


def test_retired_lane_can_never_be_opened_again(stage: Stage) -> None:
    receipt = stage.vault.send("retireLane", LANE, by=stage.guardian)

    assert stage.vault.events(receipt) == [("LaneRetired", LANE)]
    assert stage.vault.read("retired", LANE) is True
    again = stage.vault.refusal("setLane", LANE, stage.stranger, by=stage.owner)
    assert again == ("LaneIsRetired", LANE)
    assert stage.vault.refusal("retireLane", LANE, by=stage.guardian) == ("LaneIsRetired", LANE)


def test_new_guardian_replaces_the_old_one(stage: Stage) -> None:
    receipt = stage.vault.send("setGuardian", stage.stranger, by=stage.owner)

    assert stage.vault.events(receipt) == [("GuardianSet", stage.stranger)]
    assert stage.vault.refusal("pause", by=stage.guardian) == ("NotGuardian", stage.guardian, stage.stranger)
    stage.vault.send("pause", by=stage.stranger)


def test_new_canceller_replaces_the_old_one(stage: Stage) -> None:
    receipt = stage.vault.send("setCanceller", stage.stranger, by=stage.owner)

    assert stage.vault.events(receipt) == [("CancellerSet", stage.stranger)]
    refusal = stage.vault.refusal("cancel", [1], by=stage.canceller)
    assert refusal == ("NotCanceller", stage.canceller, stage.stranger)
    stage.vault.send("cancel", [1], by=stage.stranger)


def test_withdrawal_goes_to_the_treasury_even_while_paused(stage: Stage) -> None:
    stage.vault.send("pause", by=stage.guardian)

    receipt = stage.vault.send("withdraw", stage.token.address, FLOAT, by=stage.owner)

    assert stage.vault.events(receipt) == [("Withdrawn", stage.token.address, FLOAT)]
    assert (stage.held(stage.treasury), stage.held(stage.vault.address)) == (FLOAT, 0)


def test_withdrawal_that_the_token_refuses_reverts(stage: Stage) -> None:
    token = stage.quirk("ReturnsBytes")
    token.send("setAnswer", bytes(32), False, by=stage.owner)

    refusal = stage.vault.refusal("withdraw", token.address, 1, by=stage.owner)
    assert refusal == ("SafeERC20FailedOperation", token.address)
    token.send("setAnswer", b"", True, by=stage.owner)
    stage.vault.send("withdraw", token.address, 1, by=stage.owner)
    assert stage.held(stage.treasury, token) == 1


def test_ownership_passes_in_two_steps_and_is_never_renounced(stage: Stage) -> None:
    stage.vault.send("transferOwnership", stage.stranger, by=stage.owner)
    assert (stage.vault.read("owner"), stage.vault.read("pendingOwner")) == (stage.owner, stage.stranger)
    refusal = stage.vault.refusal("acceptOwnership", by=stage.guardian)
    assert refusal == ("OwnableUnauthorizedAccount", stage.guardian)

    stage.vault.send("acceptOwnership", by=stage.stranger)

    assert stage.vault.read("owner") == stage.stranger
    assert stage.vault.refusal("renounceOwnership", by=stage.stranger) == ("OwnershipIsForever",)


def test_vault_takes_no_native_coin_and_answers_no_other_call(stage: Stage) -> None:
    assert not stage.chain.send(stage.vault.address, b"", by=stage.owner, value=1).ok
    assert not stage.chain.send(stage.vault.address, b"\xde\xad\xbe\xef", by=stage.owner).ok


def test_cancel_moves_neither_heads_nor_money_nor_the_limit(stage: Stage) -> None:
    stage.pay([item(0, 10, payee(0))])
    before = stage.vault.read("head", LANE), stage.vault.read("available", stage.token.address)

    receipt = stage.vault.send("cancel", [WORD << 8 | 7], by=stage.canceller)

    assert (stage.vault.read("head", LANE), stage.vault.read("available", stage.token.address)) == before
    assert stage.token.events(receipt) == []
    assert stage.vault.events(stage.vault.send("cancel", [], by=stage.canceller)) == []


def test_retired_lane_leaves_the_others_open(stage: Stage) -> None:
    stage.vault.send("setLane", LANE + 1, stage.stranger, by=stage.owner)
    stage.vault.send("retireLane", LANE, by=stage.guardian)

    stage.pay([item(0, 10, payee(0))], lane=LANE + 1, word=word_of(LANE + 1), by=stage.stranger)

    assert stage.held(payee(0)) == 10
    assert stage.vault.read("retired", LANE + 1) is False
