// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SharedWallet
///
/// @notice Answers for its owners and threshold as a Safe does, but does what any single owner says; for tests only.
contract SharedWallet {
    address[] private _owners;

    /// @notice How many owners a real one would ask
    uint256 public immutable getThreshold;

    /// @notice The caller owns nothing here
    error NotAnOwner(address caller);

    /// @notice Names the owners and how many of them would have to agree
    constructor(address[] memory owners_, uint256 threshold_) {
        _owners = owners_;
        getThreshold = threshold_;
    }

    /// @notice Calls a contract for one owner and passes its failure on
    function execute(address target, bytes calldata data) external {
        if (!_isOwner(msg.sender)) revert NotAnOwner(msg.sender);
        (bool success, bytes memory answer) = target.call(data);
        if (success) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @notice The owners, in the order they were named
    function getOwners() external view returns (address[] memory) {
        return _owners;
    }

    /// @dev True for an owner.
    function _isOwner(address account) private view returns (bool) {
        for (uint256 i = 0; i < _owners.length; ++i) {
            if (_owners[i] == account) return true;
        }
        return false;
    }
}
