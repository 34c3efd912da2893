// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title ContractWallet
///
/// @notice The smallest contract wallet: it signs by EIP-1271 with one key and takes no native coin; for tests only.
contract ContractWallet {
    /// @notice The key-held account whose signatures count as the wallet's
    address public immutable signer;

    /// @notice Binds the wallet to a key
    constructor(address signer_) {
        signer = signer_;
    }

    /// @notice The magic value of EIP-1271 when the key signed the hash, zero otherwise
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recoverCalldata(hash, signature) == signer ? this.isValidSignature.selector : bytes4(0);
    }
}
