// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title ReturnsAtLength
///
/// @notice A token that moves the money and returns true with a very long tail, which is dear for whoever copies it. For tests only.
contract ReturnsAtLength is QuirkToken {
    /// @notice Bytes it returns, 32 at least
    uint256 public length = 100_000;

    /// @notice Chooses how long the answer is
    function setLength(uint256 length_) external {
        length = length_;
    }

    /// @dev Moves, then answers true and zeros.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory answer) {
        _move(from, to, value);
        answer = new bytes(length);
        answer[31] = 0x01;
    }
}
