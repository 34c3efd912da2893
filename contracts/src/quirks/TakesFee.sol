// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title TakesFee
///
/// @notice A token that keeps one percent of each transfer: the payee gets less, and a second Transfer log tells of the fee. For tests only.
contract TakesFee is QuirkToken {
    /// @notice Where the fee goes
    address public constant COLLECTOR = address(0xFEE);

    /// @dev Moves the rest to the payee first, then the fee, both from the sender.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        uint256 fee = value / 100;
        _move(from, to, value - fee);
        _move(from, COLLECTOR, fee);
        return abi.encode(true);
    }
}
