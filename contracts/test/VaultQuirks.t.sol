// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {PayoutVault} from "../src/PayoutVault.sol";
import {BurnsGas} from "../src/quirks/BurnsGas.sol";
import {QuirkToken} from "../src/quirks/QuirkToken.sol";
import {Reenters} from "../src/quirks/Reenters.sol";
import {ReturnsAtLength} from "../src/quirks/ReturnsAtLength.sol";
import {ReturnsBytes} from "../src/quirks/ReturnsBytes.sol";
import {RevertsAtLength} from "../src/quirks/RevertsAtLength.sol";
import {Batch, calldataOf, itemOf} from "./support/Batch.sol";
import {VaultStage} from "./support/VaultStage.sol";
import {between, vm, Vm} from "./support/Vm.sol";

/// @notice Refuses, and says how much gas it was given
contract TellsGas is QuirkToken {
    function _transfer(address, address, uint256) internal view override returns (bytes memory) {
        bytes memory reason = abi.encode(gasleft());
        if (reason.length > 0) _revertWith(reason);
        return reason;
    }
}

/// @notice Whatever a token answers, burns or calls back
contract VaultQuirksTest is VaultStage {
    /// @dev Short answers are padded with what the call's memory held: bytes of the payee, which are never 1 here.
    function test_answer_means_paid_if_it_is_nothing_or_true(bytes memory answer) public {
        ReturnsBytes quirk = new ReturnsBytes();
        quirk.setAnswer(answer, true);
        uint256 refused = refusedBy(quirk);

        bool says = answer.length == 0 || (answer.length >= 32 && uint256(bytes32(answer)) == 1);
        vm.assertEq(refused, says ? 0 : 1);
    }

    function test_true_may_have_a_tail(bytes memory tail) public {
        ReturnsBytes quirk = new ReturnsBytes();
        quirk.setAnswer(bytes.concat(bytes32(uint256(1)), tail), true);
        vm.assertEq(refusedBy(quirk), 0);
    }

    function test_long_answers_are_not_copied(uint256 length) public {
        length = between(length, 32, 300_000);
        ReturnsAtLength returning = new ReturnsAtLength();
        returning.setLength(length);
        vm.assertEq(refusedBy(returning), 0);
    }

    function test_long_reasons_are_not_copied(uint256 length) public {
        length = between(length, 1, 300_000);
        RevertsAtLength reverting = new RevertsAtLength();
        reverting.setLength(length);
        vm.assertEq(refusedBy(reverting), 1);
    }

    function test_reason_of_a_refusal_is_cut_at_256_bytes(uint256 length) public {
        length = between(length, 1, 2_000);
        RevertsAtLength quirk = new RevertsAtLength();
        quirk.setLength(length);
        fund(quirk);
        vm.recordLogs();
        pay(batchFor(quirk));

        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], PayoutVault.PayoutRefused.selector);
        vm.assertEq(uint256(logs[0].topics[1]), WORD << 8);
        vm.assertEq(logs[0].data, abi.encode(new bytes(length < 256 ? length : 256)));
    }

    /// @dev The burner takes 63 of 64 parts each time: the batch is executed whole, or reverts whole.
    function test_burnt_gas_reverts_the_batch_or_refuses_the_item(uint256 gasLimit) public {
        gasLimit = between(gasLimit, 100_000, 30_000_000);
        BurnsGas quirk = new BurnsGas();
        fund(quirk);
        bytes memory data = calldataOf(batchFor(quirk));
        vm.prank(operator);
        (bool success,) = address(vault).call{gas: gasLimit}(data);

        vm.assertEq(vault.usedMask(WORD), success ? 1 : 0);
        vm.assertTrue((vault.head(LANE) != 0) == success);
        vm.assertEq(quirk.balanceOf(address(vault)), FLOAT);
    }

    /// @dev 63 of 64 parts of the floor, but for the thousands spent on the way to the call.
    function test_refused_token_had_gas_enough_to_decide(uint256 gasLimit) public {
        gasLimit = between(gasLimit, 60_000, 400_000);
        TellsGas quirk = new TellsGas();
        fund(quirk);
        bytes memory data = calldataOf(batchFor(quirk));
        vm.recordLogs();
        vm.prank(operator);
        (bool success,) = address(vault).call{gas: gasLimit}(data);
        if (!success) return;

        bytes memory reason = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        vm.assertGe(abi.decode(reason, (uint256)), 190_000);
    }

    /// @dev The token has every role a token could have, and calls back with any of them.
    function test_callback_changes_nothing_while_the_vault_pays(uint256 kind, uint256 amount, bool hides) public {
        Reenters quirk = new Reenters();
        fund(quirk);
        vm.prank(owner);
        vault.setLane(LANE + 1, address(quirk));
        vm.prank(owner);
        vault.setCanceller(address(quirk));
        vm.prank(owner);
        vault.transferOwnership(address(quirk));
        vm.prank(address(quirk));
        vault.acceptOwnership();
        quirk.setCallback(address(vault), callback(quirk, kind, amount), hides);
        pay(batchFor(quirk));

        vm.assertEq(quirk.balanceOf(payee(0)), hides ? 10 : 0);
        vm.assertEq(quirk.balanceOf(address(vault)), FLOAT - (hides ? 10 : 0));
        vm.assertEq(quirk.balanceOf(treasury), 0);
        vm.assertEq(vault.usedMask(WORD), 1);
        vm.assertEq(vault.usedMask(uint256(LANE + 1) << 216), 0);
        vm.assertEq(vault.head(LANE + 1), 0);
        if (hides) {
            bytes4 why = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
            vm.assertEq(quirk.lastAnswer(), abi.encodeWithSelector(why));
        }
    }

    function callback(QuirkToken quirk, uint256 kind, uint256 amount) private view returns (bytes memory) {
        if (kind % 3 == 1) return abi.encodeCall(vault.withdraw, (address(quirk), amount % FLOAT));
        if (kind % 3 == 2) {
            uint256[] memory ids = new uint256[](1);
            ids[0] = (WORD << 8) | 1;
            return abi.encodeCall(vault.cancel, (ids));
        }
        Batch memory inner = batchFor(quirk);
        (inner.lane, inner.word) = (LANE + 1, uint256(LANE + 1) << 216);
        return calldataOf(inner);
    }

    /// @dev The refused bits of a batch with one item.
    function refusedBy(QuirkToken quirk) private returns (uint256 refused) {
        fund(quirk);
        vm.recordLogs();
        pay(batchFor(quirk));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (,, refused) = abi.decode(logs[logs.length - 1].data, (bytes32, uint256, uint256));
    }

    function fund(QuirkToken quirk) private {
        quirk.mint(address(vault), FLOAT);
        limit(address(quirk), LIMIT);
    }

    function batchFor(QuirkToken quirk) private view returns (Batch memory batch) {
        batch = batchOf(oneItem(itemOf(0, 10, payee(0))));
        batch.token = address(quirk);
    }
}
