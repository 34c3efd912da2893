// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title QuirkToken
///
/// @notice A token that answers a transfer in one of the ways tokens misbehave; for tests only. Anyone may mint and set it.
contract QuirkToken {
    /// @notice How `transfer` answers
    enum Quirk {
        /// @dev Moves the money and returns nothing
        ReturnsNothing,
        /// @dev Moves nothing and returns false
        RefusesWithFalse,
        /// @dev Moves the money and returns false
        MovesAndReturnsFalse,
        /// @dev Calls back into a contract first, passes its failure on, then moves the money and returns true
        Reenters,
        /// @dev Reverts with a very long reason
        RevertsAtLength,
        /// @dev Spends all the gas it gets
        BurnsGas
    }

    /// @notice How `transfer` answers now
    Quirk public quirk;

    /// @notice Base units held by each account
    mapping(address account => uint256) public balanceOf;

    address private _target;
    bytes private _callback;

    /// @notice Tokens moved
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// @notice The holder has less than it wants to send
    error BalanceTooLow(uint256 balance, uint256 value);

    /// @notice Issues tokens
    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    /// @notice Chooses how `transfer` answers
    function setQuirk(Quirk quirk_) external {
        quirk = quirk_;
    }

    /// @notice Says what `transfer` calls under `Reenters`
    function setCallback(address target, bytes calldata callback) external {
        _target = target;
        _callback = callback;
    }

    /// @notice Moves tokens, or does what the quirk says
    function transfer(address to, uint256 value) external {
        if (quirk == Quirk.RefusesWithFalse) _return(false);
        if (quirk == Quirk.RevertsAtLength) _revertWith(new bytes(1_000));
        while (quirk == Quirk.BurnsGas) {}
        if (quirk == Quirk.Reenters) {
            (bool success, bytes memory answer) = _target.call(_callback);
            if (!success) _revertWith(answer);
        }
        if (balanceOf[msg.sender] < value) revert BalanceTooLow(balanceOf[msg.sender], value);
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        if (quirk != Quirk.ReturnsNothing) _return(quirk != Quirk.MovesAndReturnsFalse);
    }

    /// @dev Ends the call with one boolean, which the signature of `transfer` does not admit.
    function _return(bool answer) private pure {
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 0x20)
        }
    }

    /// @dev Ends the call with these bytes as revert data.
    function _revertWith(bytes memory data) private pure {
        assembly ("memory-safe") {
            revert(add(data, 0x20), mload(data))
        }
    }
}
