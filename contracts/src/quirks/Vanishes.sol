// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title Vanishes
///
/// @notice A token behind a proxy whose implementation goes away: from then on each call succeeds and returns nothing. For tests only.
contract Vanishes is QuirkToken {
    /// @notice Transfers after which it is gone
    uint256 public left = type(uint256).max;

    /// @notice Says how many more transfers it works for; zero means it is gone now
    function setLeft(uint256 left_) external {
        left = left_;
    }

    /// @notice The balance, or no bytes at all once it is gone
    function balanceOf(address account) public view override returns (uint256) {
        if (left != 0) return super.balanceOf(account);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    /// @dev Moves while it is there.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        if (left == 0) return "";
        --left;
        _move(from, to, value);
        return abi.encode(true);
    }
}
