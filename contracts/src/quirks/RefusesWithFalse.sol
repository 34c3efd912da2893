// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title RefusesWithFalse
///
/// @notice A token that refuses by returning false, without moving and without reverting. For tests only.
contract RefusesWithFalse is QuirkToken {
    /// @dev Refuses.
    function _transfer(address, address, uint256) internal pure override returns (bytes memory) {
        return abi.encode(false);
    }
}
