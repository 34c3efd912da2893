// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../../src/PayoutVault.sol";
import {QuirkToken} from "../../src/quirks/QuirkToken.sol";
import {account, deploy, draw, vm} from "../support/Vm.sol";
import {VaultHandler} from "./VaultHandler.sol";
import {wordOf} from "../support/Batch.sol";

/// @notice What holds after any history of acts, by anyone, with each token that misbehaves
contract VaultInvariantsTest {
    PayoutVault private vault;
    VaultHandler private handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        address owner = account("owner");
        bytes memory arguments = abi.encode(owner, account("treasury"), account("guardian"), account("canceller"));
        vault = PayoutVault(deploy("PayoutVault", arguments));
        handler = new VaultHandler(vault, owner);
    }

    /// @dev What forge may call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_used_bits_only_grow() external view {
        vm.assertEq(handler.clearedBits(), 0);
        for (uint256 lane = 1; lane <= handler.LANES(); ++lane) {
            for (uint256 number = 0; number < 2; ++number) {
                uint256 word = wordOf(uint32(lane), number);
                vm.assertEq(vault.usedMask(word), handler.maskOf(word));
            }
        }
    }

    function invariant_an_id_moves_money_at_most_once() external view {
        for (uint256 lane = 1; lane <= handler.LANES(); ++lane) {
            for (uint256 number = 0; number < 2; ++number) {
                for (uint256 index = 0; index < handler.INDEXES(); ++index) {
                    vm.assertLe(handler.transfersOf((wordOf(uint32(lane), number) << 8) | index), 1);
                }
            }
        }
    }

    function invariant_money_is_neither_made_nor_lost() external view {
        vm.assertEq(handler.lossesOfOthers(), 0);
        for (uint256 i = 0; i < handler.quirks().all().length; ++i) {
            address token = handler.tokens(i);
            if (token == address(handler.quirks().rebasing()) || token == address(handler.quirks().vanishing())) {
                continue;
            }
            vm.assertEq(QuirkToken(token).balanceOf(address(vault)), 10 ** 12 - handler.leftTheVault(token));
        }
    }

    function invariant_money_leaves_to_payees_and_the_treasury_alone() external view {
        vm.assertEq(handler.strayTransfers(), 0);
    }

    function invariant_no_window_holds_more_than_its_limit() external view {
        vm.assertEq(handler.batchesOverLimit(), 0);
        for (uint256 i = 0; i < handler.quirks().all().length; ++i) {
            address token = handler.tokens(i);
            (uint256 least, uint256 most, uint256 amount) = handler.limitOf(token);
            vm.assertLe(vault.available(token), least < amount ? amount - least : 0);
            vm.assertGe(vault.available(token), most < amount ? amount - most : 0);
        }
    }

    function invariant_heads_are_the_hash_of_history() external view {
        vm.assertEq(handler.batchesOnStaleHeads(), 0);
        for (uint256 lane = 1; lane <= handler.LANES(); ++lane) {
            vm.assertEq(vault.head(uint32(lane)), handler.headOf(lane));
        }
    }

    function invariant_retired_lanes_and_paused_vaults_never_pay() external view {
        vm.assertEq(handler.batchesOnRetiredLanes(), 0);
        vm.assertEq(handler.batchesWhilePaused(), 0);
        for (uint256 lane = 1; lane <= handler.LANES(); ++lane) {
            vm.assertTrue(vault.retired(uint32(lane)) == handler.isRetired(lane));
        }
    }

    function invariant_only_roles_act() external view {
        vm.assertEq(handler.actsWithoutRole(), 0);
        vm.assertEq(vault.owner(), handler.owner());
        vm.assertEq(vault.guardian(), handler.guardian());
        vm.assertEq(vault.canceller(), handler.canceller());
        for (uint256 lane = 1; lane <= handler.LANES(); ++lane) {
            vm.assertEq(vault.operator(uint32(lane)), handler.operatorOf(lane));
        }
    }

    /// forge-config: default.fuzz.runs = 16
    /// @dev The invariants mean something: such histories do pay, refuse and cancel.
    function test_histories_are_eventful(uint256 seed) external {
        for (uint256 n = 0; n < 60; ++n) {
            uint256 chance = draw(seed, n);
            if (chance % 4 != 0) handler.pay(draw(chance, 1));
            else if (chance % 8 == 0) handler.misbehave(draw(chance, 1), draw(chance, 2));
            else handler.cancel(draw(chance, 1));
        }
        vm.assertGe(handler.batches(), 8);
        vm.assertGe(handler.movements(), 3);
        vm.assertGe(handler.refusals(), 1);
    }
}
