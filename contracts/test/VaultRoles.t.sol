// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {PayoutVault} from "../src/PayoutVault.sol";
import {VaultStage} from "./support/VaultStage.sol";
import {vm} from "./support/Vm.sol";

/// @notice Who may do what beside `pay`, whoever asks
contract VaultRolesTest is VaultStage {
    function test_owners_methods_refuse_everyone_else(
        uint256 seed,
        address stranger,
        uint32 lane,
        address any,
        uint96 amount
    ) public {
        address caller = anybody(seed, stranger);
        vm.assume(caller != owner && caller != address(0) && caller != address(vm));
        bytes memory why = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
        refuseCall(caller, abi.encodeCall(vault.unpause, ()), why);
        refuseCall(caller, abi.encodeCall(vault.setLane, (lane, any)), why);
        refuseCall(caller, abi.encodeCall(vault.setLimit, (any, amount, WINDOW)), why);
        refuseCall(caller, abi.encodeCall(vault.setGuardian, (any)), why);
        refuseCall(caller, abi.encodeCall(vault.setCanceller, (any)), why);
        refuseCall(caller, abi.encodeCall(vault.withdraw, (address(token), amount)), why);
        refuseCall(caller, abi.encodeCall(vault.transferOwnership, (any)), why);
        refuseCall(caller, abi.encodeCall(vault.acceptOwnership, ()), why);
    }

    function test_guardians_methods_refuse_everyone_else(uint256 seed, address stranger, uint32 lane) public {
        address caller = anybody(seed, stranger);
        vm.assume(caller != guardian && caller != address(vm));
        bytes memory why = abi.encodeWithSelector(PayoutVault.NotGuardian.selector, caller, guardian);
        refuseCall(caller, abi.encodeCall(vault.pause, ()), why);
        refuseCall(caller, abi.encodeCall(vault.retireLane, (lane)), why);
    }

    function test_cancellers_method_refuses_everyone_else(uint256 seed, address stranger, uint256[] memory ids) public {
        address caller = anybody(seed, stranger);
        vm.assume(caller != canceller && caller != address(vm));
        bytes memory why = abi.encodeWithSelector(PayoutVault.NotCanceller.selector, caller, canceller);
        refuseCall(caller, abi.encodeCall(vault.cancel, (ids)), why);
    }

    function test_float_goes_back_to_the_treasury_alone(uint256 amount, bool paused) public {
        amount %= FLOAT + 1;
        if (paused) {
            vm.prank(guardian);
            vault.pause();
        }
        vm.prank(owner);
        vault.withdraw(address(token), amount);

        vm.assertEq(token.balanceOf(treasury), amount);
        vm.assertEq(token.balanceOf(address(vault)), FLOAT - amount);
    }

    function test_ownership_passes_in_two_steps_and_is_never_renounced(address next, address other) public {
        vm.assume(next != address(0) && next != owner && other != next && other != address(vm));
        vm.assume(next != address(vm));
        vm.prank(owner);
        vault.transferOwnership(next);
        vm.assertEq(vault.owner(), owner);
        refuseCall(
            other,
            abi.encodeCall(vault.acceptOwnership, ()),
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, other)
        );
        vm.prank(next);
        vault.acceptOwnership();

        vm.assertEq(vault.owner(), next);
        bytes memory why = abi.encodeWithSelector(PayoutVault.OwnershipIsForever.selector);
        refuseCall(next, abi.encodeCall(vault.renounceOwnership, ()), why);
    }

    function test_window_is_a_positive_multiple_of_eight_seconds(uint32 window) public {
        bytes memory data = abi.encodeCall(vault.setLimit, (address(token), 1, window));
        if (window == 0 || window % 8 != 0) {
            refuseCall(owner, data, abi.encodeWithSelector(PayoutVault.InvalidWindow.selector, window, 8));
            return;
        }
        vm.prank(owner);
        (bool success,) = address(vault).call(data);
        vm.assertTrue(success);
    }

    function test_native_coin_and_unknown_calls_are_refused(bytes memory data, uint64 value) public {
        vm.assume(data.length < 4 || !known(bytes4(data)));
        vm.deal(address(this), value);
        (bool success,) = address(vault).call{value: value}(data);
        vm.assertFalse(success);
        vm.assertEq(address(vault).balance, 0);
    }

    function refuseCall(address caller, bytes memory data, bytes memory why) private {
        vm.prank(caller);
        (bool success, bytes memory answer) = address(vault).call(data);
        vm.assertFalse(success);
        vm.assertEq(answer, why);
    }

    /// @dev Views; everything else the vault knows is refused to this contract anyway.
    function known(bytes4 selector) private pure returns (bool) {
        bytes4[15] memory views = [
            PayoutVault.used.selector,
            PayoutVault.usedMask.selector,
            PayoutVault.head.selector,
            PayoutVault.operator.selector,
            PayoutVault.retired.selector,
            PayoutVault.limitOf.selector,
            PayoutVault.available.selector,
            bytes4(keccak256("treasury()")),
            bytes4(keccak256("guardian()")),
            bytes4(keccak256("canceller()")),
            bytes4(keccak256("owner()")),
            bytes4(keccak256("pendingOwner()")),
            bytes4(keccak256("paused()")),
            bytes4(keccak256("ITEM_GAS_FLOOR()")),
            bytes4(keccak256("WINDOW_SLICES()"))
        ];
        for (uint256 i = 0; i < views.length; ++i) if (views[i] == selector) return true;
        return false;
    }
}
