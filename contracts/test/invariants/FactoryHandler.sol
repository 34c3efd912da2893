// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DepositFactory} from "../../src/DepositFactory.sol";
import {DepositForwarder} from "../../src/DepositForwarder.sol";
import {QuirkToken} from "../../src/quirks/QuirkToken.sol";
import {Quirks} from "../support/Quirks.sol";
import {account, draw, vm, Vm} from "../support/Vm.sol";

/// @notice Deposits, flushes and changes the collector as anybody could, and keeps its own books of it
contract FactoryHandler {
    uint256 public constant ADDRESSES = 5;
    bytes32 private constant TRANSFER = keccak256("Transfer(address,address,uint256)");

    DepositFactory public immutable factory;
    Quirks public immutable quirks = new Quirks();
    address public immutable owner;
    address[] public tokens;

    address public collector;
    address public scheduled;
    uint256 public scheduledAt;
    mapping(address place => bool) public isForwarder;
    uint256 public nativeDeposited;

    // What must never happen, counted
    uint256 public actsWithoutRole;
    uint256 public hastyChanges;
    uint256 public obeyedStrangers;
    uint256 public strayMoney;

    // What must happen for the rest to mean anything
    uint256 public flushes;
    uint256 public changes;

    constructor(DepositFactory factory_, address owner_) {
        (factory, owner) = (factory_, owner_);
        tokens = quirks.all();
        tokens.push(address(0));
        for (uint256 n = 0; n < ADDRESSES; ++n) isForwarder[forwarder(n)] = true;
    }

    function forwarder(uint256 n) public view returns (address) {
        return factory.forwarderOf(bytes32(n % ADDRESSES));
    }

    function person(uint256 number) public view returns (address) {
        return [owner, account("one"), account("two"), account("three")][number % 4];
    }

    // --- what the fuzzer calls

    function deposit(uint256 seed, uint256 n, uint32 amount) external {
        address token = tokens[seed % tokens.length];
        if (token != address(0)) return QuirkToken(token).mint(forwarder(n), amount);
        vm.deal(address(this), amount);
        (bool taken,) = forwarder(n).call{value: amount}("");
        if (taken) nativeDeposited += amount;
    }

    function flush(uint256 seed, uint256 n) external {
        address token = tokens[seed % tokens.length];
        bytes32[] memory salts = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) salts[i] = bytes32((n >> (8 * i)) % ADDRESSES);
        uint256[] memory before = holdings(token);
        vm.recordLogs();
        vm.prank(person(n));
        try factory.flush{gas: 30_000_000}(salts, token) {
            ++flushes;
            if (collector == address(0)) ++strayMoney;
        } catch {}
        follow(token, vm.getRecordedLogs());
        settle(token, before);
    }

    function setCollector(uint256 seed, uint256 next) external {
        address caller = usually(seed);
        bool first = collector == address(0);
        vm.prank(caller);
        try factory.setCollector(person(next)) {
            if (caller != owner) ++actsWithoutRole;
            if (first) collector = person(next);
            else (scheduled, scheduledAt) = (person(next), block.timestamp);
            ++changes;
        } catch {}
    }

    function acceptCollector(uint256 seed) external {
        address caller = usually(seed);
        vm.prank(caller);
        try factory.acceptCollector() {
            if (caller != owner) ++actsWithoutRole;
            if (scheduled == address(0) || block.timestamp < scheduledAt + factory.delay()) ++hastyChanges;
            (collector, scheduled) = (scheduled, address(0));
            ++changes;
        } catch {}
    }

    function unscheduleCollector(uint256 seed) external {
        address caller = usually(seed);
        vm.prank(caller);
        try factory.unscheduleCollector() {
            if (caller != owner) ++actsWithoutRole;
            scheduled = address(0);
        } catch {}
    }

    /// @dev Anyone asks a forwarder, or the implementation behind them, for its money.
    function grab(uint256 seed, uint256 n) external {
        address place = n % 4 == 0 ? factory.implementation() : forwarder(n);
        if (place.code.length == 0) return;
        vm.prank(person(seed));
        try DepositForwarder(payable(place)).forward(tokens[draw(seed, 1) % tokens.length], payable(person(seed))) {
            ++obeyedStrangers;
        } catch {}
    }

    /// @dev The tokens' own doing: switches, and what the re-entering one calls back into.
    function misbehave(uint256 seed, uint256 value) external {
        quirks.turn(seed, value);
        bytes32[] memory salts = new bytes32[](1);
        salts[0] = bytes32(value % ADDRESSES);
        bytes memory data = abi.encodeCall(factory.flush, (salts, tokens[value % tokens.length]));
        if (value % 5 == 0) data = abi.encodeCall(factory.setCollector, (person(value)));
        address target = value % 7 == 0 ? forwarder(value) : address(factory);
        if (value % 7 == 0) data = abi.encodeCall(DepositForwarder.forward, (tokens[0], payable(person(value))));
        quirks.reentering().setCallback(target, data, value % 2 == 0);
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + [uint256(1), 1 hours, 24 hours, 48 hours][time % 4]);
    }

    // --- how it keeps the books

    /// @dev A Transfer from a deposit address goes to the collector, or is the token's own fee.
    function follow(address token, Vm.Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != token || logs[i].topics[0] != TRANSFER) continue;
            if (!isForwarder[address(uint160(uint256(logs[i].topics[1])))]) continue;
            address to = address(uint160(uint256(logs[i].topics[2])));
            if (to != collector && to != address(0xFEE)) ++strayMoney;
        }
    }

    /// @dev What the deposit addresses lost is what the collector and the token's fee gained; nobody gained else.
    function settle(address token, uint256[] memory before) private {
        uint256[] memory afterwards = holdings(token);
        uint256 rounding = token == address(quirks.rebasing()) ? 3 : 0;
        uint256 lost = before[0] - afterwards[0];
        uint256 gained = afterwards[1] - before[1] + afterwards[2] - before[2];
        if (lost > gained + rounding || gained > lost + rounding) ++strayMoney;
    }

    /// @dev Held by all deposit addresses, by the collector, by the fee's collector.
    function holdings(address token) private view returns (uint256[] memory held) {
        held = new uint256[](3);
        for (uint256 n = 0; n < ADDRESSES; ++n) held[0] += balance(token, forwarder(n));
        if (collector != address(0)) held[1] = balance(token, collector);
        held[2] = balance(token, address(0xFEE));
    }

    /// @dev One of the tokens answers no balance once it is gone; it is left out.
    function balance(address token, address who) private view returns (uint256) {
        if (token == address(0)) return who.balance;
        return token == address(quirks.vanishing()) ? 0 : QuirkToken(token).balanceOf(who);
    }

    /// @dev The owner seven times of eight, else anyone.
    function usually(uint256 seed) private view returns (address) {
        return draw(seed, 99) % 8 == 0 ? person(draw(seed, 98)) : owner;
    }
}
