// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title BurnsGas
///
/// @notice A token whose transfer spends all the gas it gets. For tests only.
contract BurnsGas is QuirkToken {
    /// @dev Never comes back.
    function _transfer(address, address, uint256) internal view override returns (bytes memory) {
        if (gasleft() > 0) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        return "";
    }
}
