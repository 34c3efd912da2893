// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title EighteenDecimals
///
/// @notice A token with eighteen decimals under the symbol of one that has six; otherwise well-behaved. For tests only.
contract EighteenDecimals is QuirkToken {
    /// @notice Eighteen
    function decimals() public pure override returns (uint8) {
        return 18;
    }

    /// @dev Moves.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        _move(from, to, value);
        return abi.encode(true);
    }
}
