// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../src/PayoutVault.sol";
import {Batch, amountOf, calldataOf, itemOf, payeeOf} from "./support/Batch.sol";
import {VaultStage} from "./support/VaultStage.sol";
import {draw, vm, Vm} from "./support/Vm.sol";

/// @notice What `pay` and `cancel` do, for any batch
contract VaultPayTest is VaultStage {
    function test_batch_pays_each_item_its_amount_and_takes_the_sum(uint256 seed) public {
        uint256[] memory items = itemsFrom(seed, 40);
        pay(batchOf(items));

        uint256 sum = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            vm.assertEq(token.balanceOf(payeeOf(items[i])), amountOf(items[i]));
            sum += amountOf(items[i]);
        }
        vm.assertEq(token.balanceOf(address(vault)), FLOAT - sum);
        vm.assertEq(vault.available(address(token)), LIMIT - sum);
    }

    function test_batch_uses_its_ids_and_no_other(uint256 seed) public {
        uint256[] memory items = itemsFrom(seed, 40);
        pay(batchOf(items));

        vm.assertEq(vault.usedMask(WORD), maskOf(items));
        for (uint256 i = 0; i < items.length; ++i) vm.assertTrue(vault.used((WORD << 8) | (items[i] >> 248)));
    }

    function test_used_ids_are_skipped_whoever_used_them(uint256 seed, uint256 canceled) public {
        uint256[] memory items = itemsFrom(seed, 40);
        cancelMask(canceled);
        pay(batchOf(items));

        uint256 sum = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            bool wasUsed = (canceled >> (items[i] >> 248)) & 1 != 0;
            vm.assertEq(token.balanceOf(payeeOf(items[i])), wasUsed ? 0 : amountOf(items[i]));
            if (!wasUsed) sum += amountOf(items[i]);
        }
        vm.assertEq(vault.usedMask(WORD), canceled | maskOf(items));
        vm.assertEq(token.balanceOf(address(vault)), FLOAT - sum);
    }

    function test_same_ids_presented_again_move_nothing(uint256 seed, uint256 otherAmounts) public {
        uint256[] memory items = itemsFrom(seed, 20);
        pay(batchOf(items));
        uint256 left = token.balanceOf(address(vault));
        uint256 mask = vault.usedMask(WORD);

        for (uint256 i = 0; i < items.length; ++i) {
            items[i] = itemOf(items[i] >> 248, draw(otherAmounts, i) % 2 ** 88, payee(draw(otherAmounts, i)));
        }
        pay(batchOf(items));

        vm.assertEq(token.balanceOf(address(vault)), left);
        vm.assertEq(vault.usedMask(WORD), mask);
    }

    function test_outcome_event_tells_the_lane_head_and_masks(uint256 seed, uint256 canceled) public {
        uint256[] memory items = itemsFrom(seed, 20);
        cancelMask(canceled);
        Batch memory batch = batchOf(items);
        vm.recordLogs();
        pay(batch);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory last = logs[logs.length - 1];
        vm.assertEq(last.topics[0], PayoutVault.BatchPaid.selector);
        vm.assertEq(uint256(last.topics[1]), LANE);
        vm.assertEq(uint256(last.topics[2]), uint160(address(token)));
        vm.assertEq(uint256(last.topics[3]), WORD);
        vm.assertEq(last.data, abi.encode(keccak256(calldataOf(batch)), maskOf(items) & ~canceled, 0));
    }

    function test_kth_paid_item_pairs_with_the_kth_transfer(uint256 seed, uint256 barred) public {
        uint256[] memory items = itemsFrom(seed, 30);
        bar(items, barred);
        vm.recordLogs();
        pay(batchOf(items));

        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, uint256 attempted, uint256 refused) = abi.decode(logs[logs.length - 1].data, (bytes32, uint256, uint256));
        uint256 k = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            if (((attempted & ~refused) >> (items[i] >> 248)) & 1 == 0) continue;
            while (logs[k].emitter != address(token)) ++k;
            vm.assertEq(uint256(logs[k].topics[1]), uint160(address(vault)));
            vm.assertEq(uint256(logs[k].topics[2]), uint160(payeeOf(items[i])));
            vm.assertEq(logs[k++].data, abi.encode(amountOf(items[i])));
        }
    }

    function test_refusal_uses_the_id_and_does_not_stop_the_others(uint256 seed, uint256 barred) public {
        uint256[] memory items = itemsFrom(seed, 30);
        bar(items, barred);
        pay(batchOf(items));

        vm.assertEq(vault.usedMask(WORD), maskOf(items));
        for (uint256 i = 0; i < items.length; ++i) {
            vm.assertEq(token.balanceOf(payeeOf(items[i])), (barred >> i) & 1 != 0 ? 0 : amountOf(items[i]));
        }
    }

    function test_head_is_the_hash_of_all_batches_before(uint256 seed, uint8 batches) public {
        bytes32 expected = 0;
        for (uint256 n = 0; n < 1 + (batches % 5); ++n) {
            vm.assertEq(vault.head(LANE), expected);
            Batch memory batch = batchOf(itemsFrom(draw(seed, n), 5));
            for (uint256 i = 0; i < batch.tags.length; ++i) batch.tags[i] = bytes16(uint128(draw(seed, i)));
            pay(batch);
            expected = keccak256(calldataOf(batch));
        }
        vm.assertEq(vault.head(LANE), expected);
    }

    function test_ids_of_other_words_and_lanes_are_not_touched(uint256 seed, uint256 otherWord) public {
        vm.assume(otherWord != WORD);
        pay(batchOf(itemsFrom(seed, 20)));

        vm.assertEq(vault.usedMask(otherWord), 0);
        vm.assertEq(vault.head(LANE + 1), 0);
    }

    function test_any_lane_and_sequence_make_an_id_of_their_own(uint32 lane, uint224 sequence) public {
        uint256 id = (uint256(lane) << 224) | sequence;
        vm.prank(owner);
        vault.setLane(lane, operator);
        Batch memory batch = batchOf(oneItem(itemOf(id & 0xff, 1, payee(0))));
        (batch.lane, batch.word, batch.head) = (lane, id >> 8, vault.head(lane));
        pay(batch);

        vm.assertTrue(vault.used(id));
        vm.assertEq(vault.usedMask(id >> 8), 1 << (id & 0xff));
    }

    function test_cancel_uses_any_ids_and_names_each_once(uint256[] memory ids) public {
        vm.recordLogs();
        vm.prank(canceller);
        vault.cancel(ids);

        uint256 named = vm.getRecordedLogs().length;
        uint256 distinct = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            vm.assertTrue(vault.used(ids[i]));
            bool first = true;
            for (uint256 j = 0; j < i; ++j) if (ids[j] == ids[i]) first = false;
            if (first) ++distinct;
        }
        vm.assertEq(named, distinct);
    }

    /// @dev Blacklists the payee of the i-th item where the i-th bit says so.
    function bar(uint256[] memory items, uint256 barred) private {
        for (uint256 i = 0; i < items.length; ++i) {
            if ((barred >> i) & 1 == 0) continue;
            vm.prank(owner);
            token.blacklist(payeeOf(items[i]));
        }
    }

    function cancelMask(uint256 mask) private {
        uint256[] memory ids = new uint256[](256);
        uint256 count = 0;
        for (uint256 index = 0; index < 256; ++index) {
            if ((mask >> index) & 1 != 0) ids[count++] = (WORD << 8) | index;
        }
        assembly ("memory-safe") {
            mstore(ids, count)
        }
        vm.prank(canceller);
        vault.cancel(ids);
    }

    function maskOf(uint256[] memory items) private pure returns (uint256 mask) {
        for (uint256 i = 0; i < items.length; ++i) mask |= 1 << (items[i] >> 248);
    }
}
