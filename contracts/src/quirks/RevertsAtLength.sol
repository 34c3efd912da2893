// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title RevertsAtLength
///
/// @notice A token that refuses by reverting with a very long reason, which is dear for whoever copies it. For tests only.
contract RevertsAtLength is QuirkToken {
    /// @notice Bytes of the reason; at zero it does not revert
    uint256 public length = 100_000;

    /// @notice Chooses how long the reason is
    function setLength(uint256 length_) external {
        length = length_;
    }

    /// @dev Reverts with zeros, or moves.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        bytes memory reason = new bytes(length);
        if (reason.length == 0) _move(from, to, value);
        else _revertWith(reason);
        return abi.encode(true);
    }
}
