// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title PlainToken
///
/// @notice The library's token with nothing added, as the measure for gas; for tests only. Anyone may mint.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLN") {}

    /// @notice Issues tokens
    function mint(address to, uint256 value) external {
        _mint(to, value);
    }
}
