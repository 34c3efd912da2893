// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title MovesAndReturnsFalse
///
/// @notice A token that moves the money and says it did not. For tests only.
contract MovesAndReturnsFalse is QuirkToken {
    /// @dev Moves and denies it.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        _move(from, to, value);
        return abi.encode(false);
    }
}
