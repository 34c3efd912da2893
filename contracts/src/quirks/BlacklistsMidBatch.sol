// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title BlacklistsMidBatch
///
/// @notice A token that bars its sender after a given number of transfers: in the middle of a batch. For tests only.
contract BlacklistsMidBatch is QuirkToken {
    /// @notice Transfers that still go through
    uint256 public left;

    /// @notice The sender is barred
    error Blacklisted(address account);

    /// @notice Says how many more transfers go through
    function setLeft(uint256 left_) external {
        left = left_;
    }

    /// @dev Moves while transfers are left.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        if (left == 0) revert Blacklisted(from);
        --left;
        _move(from, to, value);
        return abi.encode(true);
    }
}
