// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title LogsWithoutMoving
///
/// @notice A token that logs a Transfer and returns true, but moves nothing. For tests only.
contract LogsWithoutMoving is QuirkToken {
    /// @dev Claims to move.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        emit Transfer(from, to, value);
        return abi.encode(true);
    }
}
