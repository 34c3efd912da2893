// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {DepositFactory} from "../src/DepositFactory.sol";
import {DepositForwarder} from "../src/DepositForwarder.sol";
import {PlainToken} from "../src/quirks/PlainToken.sol";
import {Reenters} from "../src/quirks/Reenters.sol";
import {ReturnsBytes} from "../src/quirks/ReturnsBytes.sol";
import {TakesFee} from "../src/quirks/TakesFee.sol";
import {account, deploy, vm, Vm} from "./support/Vm.sol";

/// @notice Addresses known beforehand, money that can go one way only
contract FactoryTest {
    uint48 private constant DELAY = 48 hours;

    address private immutable owner = account("owner");
    address private immutable collector = account("collector");
    DepositFactory private factory;
    PlainToken private token;

    function setUp() public {
        vm.warp(1_800_000_000);
        factory = DepositFactory(deploy("DepositFactory", abi.encode(owner, DELAY)));
        token = new PlainToken();
        vm.prank(owner);
        factory.setCollector(collector);
    }

    function test_deposit_address_is_the_create2_address_of_the_clone(bytes32 salt) public {
        address implementation = vm.computeCreateAddress(address(factory), 1);
        bytes32 code = keccak256(
            abi.encodePacked(
                hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", implementation, hex"5af43d82803e903d91602b57fd5bf3"
            )
        );
        address expected =
            address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(factory), salt, code)))));
        vm.assertEq(factory.forwarderOf(salt), expected);

        factory.flush(one(salt), address(token));
        vm.assertEq(expected.code.length, 45);
    }

    function test_whole_balance_goes_to_the_collector_whoever_flushes(bytes32 salt, uint128 amount, address caller)
        public
    {
        vm.assume(caller != address(vm));
        token.mint(factory.forwarderOf(salt), amount);
        vm.prank(caller);
        factory.flush(one(salt), address(token));

        vm.assertEq(token.balanceOf(collector), amount);
        vm.assertEq(token.balanceOf(factory.forwarderOf(salt)), 0);
    }

    function test_native_coin_goes_to_the_collector_before_and_after_deployment(bytes32 salt, uint64 a, uint64 b)
        public
    {
        address payable forwarder = payable(factory.forwarderOf(salt));
        vm.deal(forwarder, a);
        factory.flush(one(salt), address(0));
        vm.deal(address(this), b);
        (bool taken,) = forwarder.call{value: b}("");
        vm.assertTrue(taken);
        factory.flush(one(salt), address(0));

        vm.assertEq(collector.balance, uint256(a) + b);
        vm.assertEq(forwarder.balance, 0);
    }

    function test_forwarder_obeys_its_factory_alone(bytes32 salt, address caller, address to) public {
        vm.assume(caller != address(factory) && caller != address(vm));
        factory.flush(one(salt), address(token));
        bytes memory why = abi.encodeWithSelector(DepositForwarder.NotFactory.selector, caller, address(factory));
        address[2] memory places = [factory.forwarderOf(salt), factory.implementation()];
        for (uint256 i = 0; i < places.length; ++i) {
            vm.prank(caller);
            vm.expectRevert(why);
            DepositForwarder(payable(places[i])).forward(address(token), payable(to));
        }
    }

    function test_failing_address_is_skipped_named_and_keeps_its_money(bytes32[5] memory salts, bytes memory answer)
        public
    {
        vm.assume(answer.length >= 32 && uint256(bytes32(answer)) != 1);
        ReturnsBytes quirk = new ReturnsBytes();
        quirk.setAnswer(answer, false);
        bytes32[] memory all = new bytes32[](salts.length);
        for (uint256 i = 0; i < salts.length; ++i) {
            all[i] = keccak256(abi.encode(salts[i], i));
            quirk.mint(factory.forwarderOf(all[i]), 100);
        }
        vm.recordLogs();
        factory.flush(all, address(quirk));

        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2 * all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            vm.assertEq(logs[2 * i + 1].topics[0], DepositFactory.FlushFailed.selector);
            vm.assertEq(logs[2 * i + 1].topics[1], all[i]);
            vm.assertEq(quirk.balanceOf(factory.forwarderOf(all[i])), 100);
        }
    }

    function test_fee_of_a_token_is_the_collectors_loss_alone(bytes32 salt, uint64 amount) public {
        TakesFee quirk = new TakesFee();
        quirk.mint(factory.forwarderOf(salt), amount);
        factory.flush(one(salt), address(quirk));

        vm.assertEq(quirk.balanceOf(collector), amount - amount / 100);
        vm.assertEq(quirk.balanceOf(factory.forwarderOf(salt)), 0);
    }

    function test_token_cannot_flush_inside_a_flush(bytes32 salt, bytes32 other, bool hides) public {
        vm.assume(salt != other);
        Reenters quirk = new Reenters();
        quirk.mint(factory.forwarderOf(salt), 10);
        quirk.mint(factory.forwarderOf(other), 10);
        bytes memory inner = abi.encodeCall(factory.flush, (one(other), address(quirk)));
        quirk.setCallback(address(factory), inner, hides);
        factory.flush(one(salt), address(quirk));

        vm.assertEq(quirk.balanceOf(factory.forwarderOf(other)), 10);
        vm.assertEq(quirk.balanceOf(collector), hides ? 10 : 0);
    }

    function test_nothing_is_flushed_while_the_collector_is_unset(bytes32 salt) public {
        DepositFactory fresh = DepositFactory(deploy("DepositFactory", abi.encode(owner, DELAY)));
        vm.expectRevert(DepositFactory.CollectorUnset.selector);
        fresh.flush(one(salt), address(token));
    }

    function test_later_collector_waits_for_the_delay(address next, uint32 wait) public {
        vm.assume(next != address(0) && next != collector);
        vm.prank(owner);
        factory.setCollector(next);
        uint48 from = uint48(block.timestamp) + DELAY;
        vm.warp(block.timestamp + wait);
        vm.prank(owner);
        if (block.timestamp < from) {
            vm.expectRevert(abi.encodeWithSelector(DepositFactory.DelayNotOver.selector, from, block.timestamp));
        }
        factory.acceptCollector();

        vm.assertEq(factory.collector(), block.timestamp < from ? collector : next);
    }

    function test_scheduling_again_starts_the_delay_anew(address next, uint32 wait) public {
        vm.assume(next != address(0) && next != collector);
        vm.prank(owner);
        factory.setCollector(account("first"));
        vm.warp(block.timestamp + wait);
        vm.prank(owner);
        factory.setCollector(next);

        vm.assertEq(factory.pendingCollector(), next);
        vm.assertEq(factory.pendingFrom(), block.timestamp + DELAY);
    }

    function test_collector_is_the_owners_business_alone(address caller, address next) public {
        vm.assume(caller != owner && caller != address(vm));
        bytes memory why = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
        vm.prank(caller);
        vm.expectRevert(why);
        factory.setCollector(next);
        vm.prank(caller);
        vm.expectRevert(why);
        factory.acceptCollector();
        vm.prank(caller);
        vm.expectRevert(why);
        factory.unscheduleCollector();
    }

    function one(bytes32 salt) private pure returns (bytes32[] memory salts) {
        salts = new bytes32[](1);
        salts[0] = salt;
    }
}
