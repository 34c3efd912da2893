// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title ReturnsNothing
///
/// @notice A token whose transfer moves the money and returns nothing, as some of the oldest do. For tests only.
contract ReturnsNothing is QuirkToken {
    /// @dev Moves and stays silent.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        _move(from, to, value);
        return "";
    }
}
