// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../../src/PayoutVault.sol";

/// @notice The arguments of one `pay`
struct Batch {
    address token;
    uint32 lane;
    bytes32 head;
    uint256 word;
    uint256[] items;
    bytes16[] tags;
    uint64 deadline;
}

/// @dev The calldata of a batch, by the ABI; what its keccak256 is becomes the lane's head.
function calldataOf(Batch memory batch) pure returns (bytes memory) {
    return abi.encodeCall(
        PayoutVault.pay, (batch.token, batch.lane, batch.head, batch.word, batch.items, batch.tags, batch.deadline)
    );
}

function wordOf(uint32 lane, uint256 number) pure returns (uint256) {
    return (uint256(lane) << 216) | number;
}

function itemOf(uint256 index, uint256 amount, address payee) pure returns (uint256) {
    return (index << 248) | (amount << 160) | uint160(payee);
}

function amountOf(uint256 item) pure returns (uint256) {
    return uint88(item >> 160);
}

function payeeOf(uint256 item) pure returns (address) {
    return address(uint160(item));
}
