// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../../src/PayoutVault.sol";
import {TestDollar} from "../../src/TestDollar.sol";
import {Batch, calldataOf, itemOf, wordOf} from "./Batch.sol";
import {account, deploy, draw, vm} from "./Vm.sol";

/// @notice A funded vault, its token and the accounts around it
abstract contract VaultStage {
    uint32 internal constant LANE = 7;
    uint256 internal constant WORD = uint256(LANE) << 216;
    uint96 internal constant LIMIT = 10 ** 12;
    uint256 internal constant FLOAT = 10 ** 13;
    uint32 internal constant WINDOW = 86_400;

    address internal immutable owner = account("owner");
    address internal immutable operator = account("operator");
    address internal immutable guardian = account("guardian");
    address internal immutable canceller = account("canceller");
    address internal immutable treasury = account("treasury");

    PayoutVault internal vault;
    TestDollar internal token;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vault = PayoutVault(deploy("PayoutVault", abi.encode(owner, treasury, guardian, canceller)));
        token = TestDollar(deploy("TestDollar", abi.encode("Test Dollar", "TUSD", owner)));
        vm.prank(owner);
        token.mint(address(vault), FLOAT);
        vm.prank(owner);
        vault.setLane(LANE, operator);
        limit(address(token), LIMIT);
    }

    function limit(address token_, uint96 amount) internal {
        vm.prank(owner);
        vault.setLimit(token_, amount, WINDOW);
    }

    /// @dev A batch of the stage's token on the stage's lane that `pay` would take.
    function batchOf(uint256[] memory items) internal view returns (Batch memory) {
        return Batch(address(token), LANE, vault.head(LANE), WORD, items, new bytes16[](items.length), type(uint64).max);
    }

    function oneItem(uint256 item) internal pure returns (uint256[] memory items) {
        items = new uint256[](1);
        items[0] = item;
    }

    /// @dev Up to `most` items in rising order, holes and amounts drawn from the seed, each to a payee of its own.
    function itemsFrom(uint256 seed, uint256 most) internal pure returns (uint256[] memory items) {
        items = new uint256[](1 + (draw(seed, 0) % most));
        uint256 room = 256 - items.length;
        uint256 index = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            uint256 hole = draw(seed, 3 * i + 1) % (room + 1);
            room -= hole;
            index += hole;
            items[i] = itemOf(index++, draw(seed, 3 * i + 2) % 1_000_000, payee(draw(seed, 3 * i + 3)));
        }
    }

    /// @dev Mostly somebody with a role, whom chance alone would hardly find, else the stranger.
    function anybody(uint256 seed, address stranger) internal view returns (address) {
        address[5] memory known = [owner, operator, guardian, canceller, treasury];
        return seed % 8 < known.length ? known[seed % 8] : stranger;
    }

    function payee(uint256 number) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("payee", number)))));
    }

    /// @dev Sends the batch; it must be executed.
    function pay(Batch memory batch) internal {
        (bool success, bytes memory answer) = send(batch, operator);
        vm.assertTrue(success, string(answer));
    }

    /// @dev Sends the batch; it must end with this error and leave lane, ids and money alone.
    function refuse(Batch memory batch, bytes memory why) internal {
        refuse(batch, operator, why);
    }

    function refuse(Batch memory batch, address by, bytes memory why) internal {
        bytes32 before = trace(batch);
        (bool success, bytes memory answer) = send(batch, by);
        vm.assertFalse(success);
        vm.assertEq(answer, why);
        vm.assertEq(trace(batch), before);
    }

    function send(Batch memory batch, address by) internal returns (bool success, bytes memory answer) {
        bytes memory data = calldataOf(batch);
        vm.prank(by);
        (success, answer) = address(vault).call(data);
    }

    /// @dev All that a batch could change.
    function trace(Batch memory batch) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                vault.head(batch.lane),
                vault.usedMask(batch.word),
                token.balanceOf(address(vault)),
                vault.available(address(token))
            )
        );
    }
}
