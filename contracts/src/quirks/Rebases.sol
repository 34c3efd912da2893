// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title Rebases
///
/// @notice A token whose balances all grow or shrink at once, without any log. For tests only.
contract Rebases is QuirkToken {
    /// @notice Balances in hundredths of what was minted or moved
    uint256 public percent = 100;

    /// @notice Scales all balances; 100 gives back what was minted
    function rebase(uint256 percent_) external {
        percent = percent_;
    }

    /// @notice The balance as of the latest rebase
    function balanceOf(address account) public view override returns (uint256) {
        return (_balances[account] * percent) / 100;
    }

    /// @dev Moves the share behind the value, rounded down, and logs the value.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        uint256 share = (value * 100) / percent;
        if (_balances[from] < share) revert BalanceTooLow(balanceOf(from), value);
        _balances[from] -= share;
        _balances[to] += share;
        emit Transfer(from, to, value);
        return abi.encode(true);
    }
}
