// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {DepositForwarder} from "./DepositForwarder.sol";

/// @title DepositFactory
///
/// @notice Gives each payment intent an address of its own, known before anything is deployed there, and moves what
///         arrives at it to one collector.
///
/// @dev Same deployer, salt and constructor arguments give the same factory, implementation and deposit addresses on each chain.
/// @dev salt = HMAC-SHA256(deployment seed, epoch as uint32 big-endian || n as uint64 big-endian); this contract takes it as it is.
contract DepositFactory is Ownable2Step, ReentrancyGuardTransient {
    /// @notice The contract that each deposit address is a minimal clone of
    address public immutable implementation;

    /// @notice Seconds between scheduling a later collector and accepting it
    uint48 public immutable delay;

    /// @notice Where flushed money goes: a treasury account or contract wallet, never the vault; zero while unset
    address public collector;

    /// @notice The collector that is scheduled; zero when none is
    address public pendingCollector;

    /// @notice Block time, in seconds, from which the scheduled collector may be accepted; zero when none is scheduled
    uint48 public pendingFrom;

    /// @notice A forwarder was deployed at a deposit address
    event ForwarderDeployed(bytes32 indexed salt, address indexed forwarder);

    /// @notice The balance of a deposit address was sent on
    ///
    /// @param salt The address's salt
    /// @param forwarder The deposit address
    /// @param token The token; zero for native coin, which leaves no Transfer log
    /// @param collector Where it went
    /// @param amount Base units the address held
    event Flushed(
        bytes32 indexed salt, address indexed forwarder, address indexed token, address collector, uint256 amount
    );

    /// @notice The balance of a deposit address could not be sent on; it stays there
    ///
    /// @param salt The address's salt
    /// @param forwarder The deposit address
    /// @param token The token; zero for native coin
    /// @param reason What the failing call reverted with
    event FlushFailed(bytes32 indexed salt, address indexed forwarder, address indexed token, bytes reason);

    /// @notice A collector took effect
    event CollectorChanged(address indexed previous, address indexed current);

    /// @notice A later collector was scheduled; it replaces any other scheduled one
    event CollectorScheduled(address indexed current, address indexed next, uint48 from);

    /// @notice The scheduled collector was dropped
    event CollectorUnscheduled(address indexed dropped);

    /// @notice Nothing can be flushed while there is no collector
    error CollectorUnset();

    /// @notice The collector must be neither zero nor the one already in place
    error InvalidCollector(address collector, address current);

    /// @notice There is no scheduled collector to accept or drop
    error NothingScheduled();

    /// @notice The scheduled collector cannot be accepted yet
    error DelayNotOver(uint48 from, uint256 timestamp);

    /// @notice Without an owner an unset or lost collector could never be replaced
    error OwnershipIsForever();

    /// @notice Deploys the implementation; the collector is set afterwards, so that addresses do not depend on it
    ///
    /// @param owner_ First owner; hands over in two steps
    /// @param delay_ Seconds between scheduling and accepting a later collector; zero on local chains only
    constructor(address owner_, uint48 delay_) Ownable(owner_) {
        delay = delay_;
        implementation = address(new DepositForwarder());
    }

    /// @notice Deploys the forwarders that are missing and sends the balance of each to the collector; anyone may call
    ///
    /// @dev A failing address is skipped and named by `FlushFailed`. An address without a balance is deployed and passed over.
    ///
    /// @param salts Salts of the deposit addresses
    /// @param token The token to move; the zero address means native coin
    function flush(bytes32[] calldata salts, address token) external nonReentrant {
        address to = collector;
        if (to == address(0)) revert CollectorUnset();
        for (uint256 i = 0; i < salts.length; ++i) {
            address forwarder = _deployed(salts[i]);
            try DepositForwarder(payable(forwarder)).forward(token, payable(to)) returns (uint256 amount) {
                if (amount != 0) emit Flushed(salts[i], forwarder, token, to, amount);
            } catch (bytes memory reason) {
                emit FlushFailed(salts[i], forwarder, token, reason);
            }
        }
    }

    /// @notice Sets the first collector at once, or schedules a later one to be accepted after `delay`
    ///
    /// @param next The collector to be
    function setCollector(address next) external onlyOwner {
        address current = collector;
        if (next == address(0) || next == current) revert InvalidCollector(next, current);
        if (current == address(0)) {
            collector = next;
            emit CollectorChanged(current, next);
        } else {
            uint48 from = uint48(block.timestamp) + delay;
            pendingCollector = next;
            pendingFrom = from;
            emit CollectorScheduled(current, next, from);
        }
    }

    /// @notice Puts the scheduled collector in place once the delay is over
    function acceptCollector() external onlyOwner {
        address next = pendingCollector;
        if (next == address(0)) revert NothingScheduled();
        if (block.timestamp < pendingFrom) revert DelayNotOver(pendingFrom, block.timestamp);
        address previous = collector;
        collector = next;
        delete pendingCollector;
        delete pendingFrom;
        emit CollectorChanged(previous, next);
    }

    /// @notice Drops the scheduled collector
    function unscheduleCollector() external onlyOwner {
        address dropped = pendingCollector;
        if (dropped == address(0)) revert NothingScheduled();
        delete pendingCollector;
        delete pendingFrom;
        emit CollectorUnscheduled(dropped);
    }

    /// @notice The deposit address of a salt, deployed or not
    function forwarderOf(bytes32 salt) external view returns (address) {
        return Clones.predictDeterministicAddress(implementation, salt);
    }

    /// @notice Refused: without an owner an unset or lost collector could never be replaced
    function renounceOwnership() public pure override {
        revert OwnershipIsForever();
    }

    /// @dev The forwarder of a salt, deployed if it was missing.
    function _deployed(bytes32 salt) private returns (address forwarder) {
        forwarder = Clones.predictDeterministicAddress(implementation, salt);
        if (forwarder.code.length != 0) return forwarder;
        Clones.cloneDeterministic(implementation, salt);
        emit ForwarderDeployed(salt, forwarder);
    }
}
