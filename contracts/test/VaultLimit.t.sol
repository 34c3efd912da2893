// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../src/PayoutVault.sol";
import {Batch, itemOf} from "./support/Batch.sol";
import {Spending} from "./support/Spending.sol";
import {VaultStage} from "./support/VaultStage.sol";
import {draw, vm} from "./support/Vm.sol";

/// @notice The rolling limit against a plain list of payments
contract VaultLimitTest is VaultStage {
    using Spending for Spending.List;

    Spending.List private _spending;

    function test_window_holds_no_more_than_the_limit_and_frees_in_time(uint256 seed) public {
        setLimit(seed, 80);
        uint256 paid = 0;
        for (uint256 n = 0; n < 40; ++n) {
            uint256 chance = draw(seed, 4 * n);
            vm.warp(block.timestamp + [uint256(0), 1, 9, 10, 40, 100][chance % 6]);
            if (chance % 7 == 0) setLimit(chance, [uint32(8), 80, 800][chance % 3]);
            uint256 amount = draw(seed, 4 * n + 1) % 700;
            uint256 free = vault.available(address(token));
            bounded(free);
            if (attempt(n, amount)) {
                _spending.add(amount);
                ++paid;
            }
        }
        vm.assertTrue(paid > 0);
    }

    function test_tokens_limits_do_not_touch_each_other(uint96 first, uint96 second) public {
        address other = address(0xBEEF);
        limit(address(token), first);
        limit(other, second);
        vm.assertEq(vault.available(address(token)), first);
        vm.assertEq(vault.available(other), second);
    }

    function test_lanes_share_the_limit_of_a_token(uint32 lane, uint256 amount) public {
        vm.assume(lane != LANE);
        amount = 1 + (amount % LIMIT);
        vm.prank(owner);
        vault.setLane(lane, operator);
        pay(batchOf(oneItem(itemOf(0, LIMIT - amount + 1, payee(0)))));
        Batch memory batch = batchOf(oneItem(itemOf(0, amount, payee(1))));
        (batch.lane, batch.word, batch.head) = (lane, uint256(lane) << 216, vault.head(lane));

        bytes4 why = PayoutVault.LimitExceeded.selector;
        refuse(batch, abi.encodeWithSelector(why, address(token), amount, amount - 1));
    }

    function setLimit(uint256 chance, uint32 window) private {
        vm.prank(owner);
        vault.setLimit(address(token), uint96(500 + (chance % 1_000)), window);
        _spending.setWindow(window);
    }

    /// @dev What the vault says is free lies between what the two sums allow.
    function bounded(uint256 free) private view {
        (uint96 amount,) = vault.limitOf(address(token));
        (uint256 least, uint256 most) = _spending.spent();
        vm.assertLe(free, least < amount ? amount - least : 0);
        vm.assertGe(free, most < amount ? amount - most : 0);
    }

    /// @dev True when the batch was executed; it must be exactly when the vault said it would.
    function attempt(uint256 index, uint256 amount) private returns (bool) {
        uint256 free = vault.available(address(token));
        Batch memory batch = batchOf(oneItem(itemOf(index, amount, payee(index))));
        if (amount <= free && amount > 0) {
            pay(batch);
            return true;
        }
        if (amount > 0) {
            refuse(batch, abi.encodeWithSelector(PayoutVault.LimitExceeded.selector, address(token), amount, free));
        }
        return false;
    }
}
