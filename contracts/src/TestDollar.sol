// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title TestDollar
///
/// @notice A stablecoin for local and test chains that behaves as the large fiat-backed ones do: 6 decimals, an issuer who
///         mints, pauses and blacklists, EIP-2612 permits and EIP-3009 authorizations. It is worth nothing.
///
/// @dev Authorizations come in both forms: split (v, r, s) from key-held accounts, and bytes, which contract wallets
///      may answer by EIP-1271 as well. Nonces are random 32 bytes, used once.
contract TestDollar is ERC3009, ERC20Permit, Ownable2Step, Pausable {
    mapping(address account => bool) private _blacklisted;

    /// @notice Tokens were issued
    event Mint(address indexed minter, address indexed to, uint256 amount);

    /// @notice An account was barred from sending and receiving
    event Blacklisted(address indexed account);

    /// @notice An account was let back in
    event UnBlacklisted(address indexed account);

    /// @notice What a proxied stablecoin emits when its code is replaced; here the code stays
    event Upgraded(address indexed implementation);

    /// @notice A blacklisted account takes part
    error AccountBlacklisted(address account);

    /// @notice Names the token and its issuer
    ///
    /// @param name_ Name, also that of the EIP-712 domain, whose version is "1"
    /// @param symbol_ Symbol
    /// @param owner_ The issuer: may mint, pause, blacklist
    constructor(string memory name_, string memory symbol_, address owner_)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
        Ownable(owner_)
    {}

    /// @notice Issues tokens
    ///
    /// @param to Who gets them
    /// @param amount Base units
    function mint(address to, uint256 amount) external onlyOwner {
        emit Mint(msg.sender, to, amount);
        _mint(to, amount);
    }

    /// @notice Stops all movements, approvals and authorizations
    function pause() external onlyOwner {
        _pause();
    }

    /// @notice Lets the token move again
    function unpause() external onlyOwner {
        _unpause();
    }

    /// @notice Bars an account from sending, receiving and spending
    function blacklist(address account) external onlyOwner {
        _blacklisted[account] = true;
        emit Blacklisted(account);
    }

    /// @notice Lets an account back in
    function unBlacklist(address account) external onlyOwner {
        _blacklisted[account] = false;
        emit UnBlacklisted(account);
    }

    /// @notice Emits the event of an upgrade, so that those who watch for one can be tested
    function announceUpgrade(address implementation) external onlyOwner {
        emit Upgraded(implementation);
    }

    /// @notice Moves tokens with an authorization that a contract wallet or a key-held account signed
    ///
    /// @param from Who pays and signed
    /// @param to Who is paid
    /// @param value Base units
    /// @param validAfter Valid in blocks later than this time, in seconds
    /// @param validBefore Valid in blocks earlier than this time, in seconds
    /// @param nonce 32 bytes of the signer's choice, used once
    /// @param signature r || s || v, or what the wallet's `isValidSignature` expects
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSignature(
            from,
            keccak256(abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice As `transferWithAuthorization`, but only the payee may present it, so that nobody can front-run it
    ///
    /// @param from Who pays and signed
    /// @param to Who is paid: the caller
    /// @param value Base units
    /// @param validAfter Valid in blocks later than this time, in seconds
    /// @param validBefore Valid in blocks earlier than this time, in seconds
    /// @param nonce 32 bytes of the signer's choice, used once
    /// @param signature r || s || v, or what the wallet's `isValidSignature` expects
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSignature(
            from,
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Makes an unused authorization void
    ///
    /// @param authorizer Who signed it and signs this
    /// @param nonce The authorization's nonce
    /// @param signature r || s || v, or what the wallet's `isValidSignature` expects
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _requireSignature(
            authorizer, keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), signature
        );
        _cancelAuthorization(authorizer, nonce);
    }

    /// @notice True while the account is barred
    function isBlacklisted(address account) external view returns (bool) {
        return _blacklisted[account];
    }

    /// @notice Six, as the large ones have
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @dev Moves tokens unless the token is paused or either side is barred.
    function _update(address from, address to, uint256 value) internal override whenNotPaused {
        _requireWelcome(from);
        _requireWelcome(to);
        super._update(from, to, value);
    }

    /// @dev Approves unless the token is paused or either side is barred.
    function _approve(address owner_, address spender, uint256 value, bool emitEvent) internal override whenNotPaused {
        _requireWelcome(owner_);
        _requireWelcome(spender);
        super._approve(owner_, spender, value, emitEvent);
    }

    /// @dev Spends an allowance unless the spender is barred; an unlimited one is not written, so `_approve` sees it not.
    function _spendAllowance(address owner_, address spender, uint256 value) internal override {
        _requireWelcome(spender);
        super._spendAllowance(owner_, spender, value);
    }

    /// @dev Voids an authorization unless the token is paused.
    function _cancelAuthorization(address authorizer, bytes32 nonce) internal override whenNotPaused {
        super._cancelAuthorization(authorizer, nonce);
    }

    /// @dev Plain EIP-3009 time: seconds, both ends excluded; no block-number mode, which the real ones do not have.
    function _checkValidity(uint256 validAfter, uint256 validBefore) internal view override {
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) {
            revert ERC3009InvalidAuthorizationTime(validAfter, validBefore);
        }
    }

    /// @dev Reverts unless `signer`, key-held or contract, signed the struct under this token's domain.
    function _requireSignature(address signer, bytes32 structHash, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) revert ERC3009InvalidSignature();
    }

    /// @dev Reverts when the account is barred.
    function _requireWelcome(address account) private view {
        if (_blacklisted[account]) revert AccountBlacklisted(account);
    }
}
