// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title QuirkToken
///
/// @notice What the tokens that misbehave have in common: a ledger anyone may mint into. For tests only.
///
/// @dev Each quirk says in `_transfer` what moves and which bytes a transfer answers; `transfer` returns these as they are.
abstract contract QuirkToken {
    /// @notice The name they all share with the honest one
    string public constant name = "Test Dollar";

    /// @notice The symbol they all share with the honest one
    string public constant symbol = "TUSD";

    /// @notice Base units in all
    uint256 public totalSupply;

    mapping(address account => uint256) internal _balances;

    /// @notice Tokens moved, or so the token says
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// @notice The holder has less than it wants to send
    error BalanceTooLow(uint256 balance, uint256 value);

    /// @notice Issues tokens
    function mint(address to, uint256 value) external {
        totalSupply += value;
        _balances[to] += value;
        emit Transfer(address(0), to, value);
    }

    /// @notice Moves tokens, in the way of the quirk
    function transfer(address to, uint256 value) external {
        bytes memory answer = _transfer(msg.sender, to, value);
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    /// @notice Base units an account holds, or so the token says
    function balanceOf(address account) public view virtual returns (uint256) {
        return _balances[account];
    }

    /// @notice Six, unless that is the quirk
    function decimals() public pure virtual returns (uint8) {
        return 6;
    }

    /// @dev What a transfer does.
    ///
    /// @return answer The bytes it returns
    function _transfer(address from, address to, uint256 value) internal virtual returns (bytes memory answer);

    /// @dev Moves base units from one account to another and logs it.
    function _move(address from, address to, uint256 value) internal {
        if (_balances[from] < value) revert BalanceTooLow(_balances[from], value);
        _balances[from] -= value;
        _balances[to] += value;
        emit Transfer(from, to, value);
    }

    /// @dev Ends the call with these bytes as revert data.
    function _revertWith(bytes memory data) internal pure {
        assembly ("memory-safe") {
            revert(add(data, 0x20), mload(data))
        }
    }
}
