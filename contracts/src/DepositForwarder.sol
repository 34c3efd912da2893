// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title DepositForwarder
///
/// @notice Stands behind one deposit address. Its factory moves its whole balance on; nothing else can be done with it.
///
/// @dev Deposit addresses are minimal clones (ERC-1167) of one implementation, made by the factory with CREATE2.
/// @dev A clone takes native coin, but needs more than the 2,300 gas that `transfer` and `send` pass along.
contract DepositForwarder {
    using SafeERC20 for IERC20;

    /// @notice The factory that made this implementation, and the only caller its clones obey
    address public immutable factory;

    /// @notice The caller is not the factory
    error NotFactory(address caller, address factory);

    /// @notice Lets only the factory in
    modifier onlyFactory() {
        if (msg.sender != factory) revert NotFactory(msg.sender, factory);
        _;
    }

    /// @notice Binds the implementation, and so each clone, to the deployer
    constructor() {
        factory = msg.sender;
    }

    /// @notice Takes native coin
    receive() external payable {}

    /// @notice Sends the whole balance of a token to the collector
    ///
    /// @param token The token; the zero address means native coin
    /// @param collector Where to; the factory passes its own collector
    /// @return amount Base units sent; zero when there was nothing to send
    function forward(address token, address payable collector) external onlyFactory returns (uint256 amount) {
        amount = token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
        if (amount == 0) return 0;
        if (token == address(0)) Address.sendValue(collector, amount);
        else IERC20(token).safeTransfer(collector, amount);
    }
}
