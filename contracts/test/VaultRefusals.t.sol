// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {PayoutVault} from "../src/PayoutVault.sol";
import {Batch, amountOf, calldataOf, itemOf} from "./support/Batch.sol";
import {VaultStage} from "./support/VaultStage.sol";
import {between, vm} from "./support/Vm.sol";

/// @notice `pay` reverts as a whole, using nothing, unless all of its conditions hold
contract VaultRefusalsTest is VaultStage {
    Batch private batch;
    uint256 private sum;

    function setUp() public override {
        super.setUp();
        uint256[] memory items = itemsFrom(3, 20);
        for (uint256 i = 0; i < items.length; ++i) sum += amountOf(items[i]);
        batch = batchOf(items);
    }

    function test_the_batch_of_these_tests_is_taken_when_nothing_is_changed() public {
        pay(batch);
        vm.assertTrue(batch.items.length > 5 && sum > 0);
    }

    function test_only_the_lanes_operator_may_pay(address caller) public {
        vm.assume(caller != operator && caller != address(vm));
        refuse(batch, caller, abi.encodeWithSelector(PayoutVault.NotOperator.selector, caller, operator));
    }

    function test_lane_without_an_operator_pays_nobody(address caller) public {
        vm.assume(caller != address(0) && caller != address(vm));
        vm.prank(owner);
        vault.setLane(LANE, address(0));
        refuse(batch, caller, abi.encodeWithSelector(PayoutVault.NotOperator.selector, caller, address(0)));
    }

    function test_only_the_lanes_head_is_built_upon(bytes32 head) public {
        vm.assume(head != vault.head(LANE));
        batch.head = head;
        bytes32 actual = vault.head(LANE);
        refuse(batch, abi.encodeWithSelector(PayoutVault.HeadMismatch.selector, LANE, head, actual));
    }

    function test_executed_batch_cannot_be_executed_again() public {
        pay(batch);
        bytes32 head = keccak256(calldataOf(batch));
        refuse(batch, abi.encodeWithSelector(PayoutVault.HeadMismatch.selector, LANE, bytes32(0), head));
    }

    function test_word_must_be_the_lanes_own(uint256 word) public {
        vm.assume(word >> 216 != LANE);
        batch.word = word;
        refuse(batch, abi.encodeWithSelector(PayoutVault.WordNotOfLane.selector, word, LANE));
    }

    function test_batch_runs_until_its_deadline_and_not_after(uint32 wait, uint32 deadline) public {
        uint256 time = block.timestamp + wait / 2;
        vm.warp(time);
        batch.deadline = deadline;
        if (time <= deadline) pay(batch);
        else refuse(batch, abi.encodeWithSelector(PayoutVault.DeadlinePassed.selector, deadline, time));
    }

    function test_batch_needs_an_item(uint8 tags) public {
        batch.items = new uint256[](0);
        batch.tags = new bytes16[](tags);
        refuse(batch, abi.encodeWithSelector(PayoutVault.EmptyBatch.selector));
    }

    function test_items_and_tags_are_equally_many(uint8 tags) public {
        vm.assume(tags != batch.items.length);
        batch.tags = new bytes16[](tags);
        refuse(batch, abi.encodeWithSelector(PayoutVault.LengthMismatch.selector, batch.items.length, tags));
    }

    function test_indexes_rise_strictly(uint256 place, uint8 index) public {
        place = between(place, 1, batch.items.length - 1);
        uint256 least = (batch.items[place - 1] >> 248) + 1;
        vm.assume(index < least);
        batch.items[place] = itemOf(index, 1, payee(0));
        refuse(batch, abi.encodeWithSelector(PayoutVault.IndexNotRising.selector, place, index, least));
    }

    function test_indexes_rise_strictly_among_used_items_too(uint256 place) public {
        pay(batch);
        place = between(place, 1, batch.items.length - 1);
        uint256 least = (batch.items[place - 1] >> 248) + 1;
        batch.items[place] = batch.items[place - 1];
        batch.head = vault.head(LANE);
        refuse(batch, abi.encodeWithSelector(PayoutVault.IndexNotRising.selector, place, least - 1, least));
    }

    function test_token_needs_code(address nothing) public {
        vm.assume(nothing.code.length == 0);
        batch.token = nothing;
        refuse(batch, abi.encodeWithSelector(PayoutVault.TokenWithoutCode.selector, nothing));
    }

    function test_token_whose_code_went_away_is_refused() public {
        pay(batch);
        batch.head = vault.head(LANE);
        vm.etch(address(token), "");
        bytes32 before = keccak256(abi.encode(vault.head(LANE), vault.usedMask(WORD)));
        (bool success, bytes memory answer) = send(batch, operator);
        vm.assertFalse(success);
        vm.assertEq(answer, abi.encodeWithSelector(PayoutVault.TokenWithoutCode.selector, address(token)));
        vm.assertEq(keccak256(abi.encode(vault.head(LANE), vault.usedMask(WORD))), before);
    }

    function test_balance_covers_the_whole_batch(uint256 missing) public {
        missing = between(missing, 1, sum);
        vm.prank(owner);
        vault.withdraw(address(token), FLOAT - sum + missing);
        refuse(
            batch,
            abi.encodeWithSelector(PayoutVault.BalanceBelowSum.selector, address(token), sum - missing, sum)
        );
    }

    function test_limit_covers_the_whole_batch(uint96 amount) public {
        limit(address(token), amount);
        if (amount >= sum) pay(batch);
        else refuse(batch, abi.encodeWithSelector(PayoutVault.LimitExceeded.selector, address(token), sum, amount));
    }

    function test_used_items_need_neither_balance_nor_more_of_the_limit() public {
        pay(batch);
        batch.head = vault.head(LANE);
        limit(address(token), uint96(sum));
        vm.prank(owner);
        vault.withdraw(address(token), FLOAT - sum);
        pay(batch);
    }

    function test_paused_vault_pays_nothing_until_the_owner_unpauses() public {
        vm.prank(guardian);
        vault.pause();
        refuse(batch, abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        vm.prank(owner);
        vault.unpause();
        pay(batch);
    }

    function test_retired_lane_pays_nothing_for_ever(address newOperator, uint32 later) public {
        vm.prank(guardian);
        vault.retireLane(LANE);
        vm.warp(block.timestamp + later);
        bytes memory why = abi.encodeWithSelector(PayoutVault.LaneIsRetired.selector, LANE);
        refuse(batch, why);
        vm.prank(owner);
        vm.expectRevert(why);
        vault.setLane(LANE, newOperator);
    }

    /// @dev Whatever gas there is, the batch is executed whole or leaves no trace; a starved call is no refusal.
    function test_too_little_gas_never_passes_for_a_refusal(uint256 gasLimit) public {
        gasLimit = between(gasLimit, 30_000, 2_000_000);
        bytes memory data = calldataOf(batch);
        bytes32 before = trace(batch);
        vm.prank(operator);
        (bool success,) = address(vault).call{gas: gasLimit}(data);

        if (success) vm.assertEq(token.balanceOf(address(vault)), FLOAT - sum);
        else vm.assertEq(trace(batch), before);
    }
}
