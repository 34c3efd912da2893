// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DepositFactory} from "../../src/DepositFactory.sol";
import {account, deploy, draw, vm} from "../support/Vm.sol";
import {FactoryHandler} from "./FactoryHandler.sol";

/// @notice What holds after any history of deposits, flushes and changes of the collector
contract FactoryInvariantsTest {
    DepositFactory private factory;
    FactoryHandler private handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        address owner = account("owner");
        factory = DepositFactory(deploy("DepositFactory", abi.encode(owner, 48 hours)));
        handler = new FactoryHandler(factory, owner);
    }

    /// @dev What forge may call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_forwarders_money_reaches_the_collector_alone() external view {
        vm.assertEq(handler.strayMoney(), 0);
    }

    function invariant_native_coin_is_neither_made_nor_lost() external view {
        uint256 held = 0;
        for (uint256 n = 0; n < handler.ADDRESSES(); ++n) held += handler.forwarder(n).balance;
        for (uint256 n = 0; n < 4; ++n) held += handler.person(n).balance;
        vm.assertEq(held, handler.nativeDeposited());
        vm.assertEq(address(factory).balance, 0);
    }

    function invariant_collector_changes_after_its_delay_alone() external view {
        vm.assertEq(handler.hastyChanges(), 0);
        vm.assertEq(factory.collector(), handler.collector());
        vm.assertEq(factory.pendingCollector(), handler.scheduled());
    }

    function invariant_only_the_owner_acts() external view {
        vm.assertEq(handler.actsWithoutRole(), 0);
        vm.assertEq(factory.owner(), handler.owner());
    }

    function invariant_forwarders_obey_nobody_but_their_factory() external view {
        vm.assertEq(handler.obeyedStrangers(), 0);
    }

    /// forge-config: default.fuzz.runs = 16
    /// @dev The invariants mean something: such histories do flush and change the collector.
    function test_histories_are_eventful(uint256 seed) external {
        handler.setCollector(1, 1);
        for (uint256 n = 0; n < 40; ++n) {
            uint256 chance = draw(seed, n);
            handler.deposit(chance, draw(chance, 1), uint32(draw(chance, 2)));
            handler.flush(chance, draw(chance, 1));
            if (chance % 5 == 0) handler.setCollector(draw(chance, 3), draw(chance, 4));
            if (chance % 5 == 1) handler.wait(3);
            if (chance % 5 == 2) handler.acceptCollector(draw(chance, 3));
        }
        vm.assertGe(handler.flushes(), 30);
        vm.assertGe(handler.changes(), 2);
    }
}
