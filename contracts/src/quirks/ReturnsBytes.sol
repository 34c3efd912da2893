// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title ReturnsBytes
///
/// @notice A token whose transfer returns bytes of anyone's choice: garbage, too few, too many. For tests only.
contract ReturnsBytes is QuirkToken {
    /// @notice Whether it moves the money before it answers
    bool public moves;

    bytes private _answer;

    /// @notice Chooses the answer byte by byte
    function setAnswer(bytes calldata answer, bool moves_) external {
        _answer = answer;
        moves = moves_;
    }

    /// @dev Answers as chosen.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        if (moves) _move(from, to, value);
        return _answer;
    }
}
