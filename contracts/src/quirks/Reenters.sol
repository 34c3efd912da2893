// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuirkToken} from "./QuirkToken.sol";

/// @title Reenters
///
/// @notice A token that calls a contract of anyone's choice before it moves the money. For tests only.
contract Reenters is QuirkToken {
    /// @notice Whether a failure of the call is hidden, or passed on as the transfer's own
    bool public hidesFailure;

    /// @notice What the latest call answered; kept only when the transfer goes through
    bytes public lastAnswer;

    address private _target;
    bytes private _callback;

    /// @notice Says what each transfer calls; the zero address means nothing
    function setCallback(address target, bytes calldata callback, bool hidesFailure_) external {
        _target = target;
        _callback = callback;
        hidesFailure = hidesFailure_;
    }

    /// @dev Calls back, then moves.
    function _transfer(address from, address to, uint256 value) internal override returns (bytes memory) {
        if (_target != address(0)) {
            (bool success, bytes memory answer) = _target.call(_callback);
            if (!success && !hidesFailure) _revertWith(answer);
            lastAnswer = answer;
        }
        _move(from, to, value);
        return abi.encode(true);
    }
}
