// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutVault} from "../../src/PayoutVault.sol";
import {QuirkToken} from "../../src/quirks/QuirkToken.sol";
import {Batch, amountOf, calldataOf, itemOf, payeeOf, wordOf} from "../support/Batch.sol";
import {Quirks} from "../support/Quirks.sol";
import {Spending} from "../support/Spending.sol";
import {account, draw, vm, Vm} from "../support/Vm.sol";

/// @notice Acts on a vault as anybody could, mostly sensibly, and keeps its own books of what happened
///
/// @dev Each id has payees of its own, so that a Transfer log tells which id it moved money for.
contract VaultHandler {
    using Spending for Spending.List;

    uint256 public constant LANES = 3;
    uint256 public constant INDEXES = 10;
    uint256 public constant GAS = 8_000_000;
    bytes32 private constant TRANSFER = keccak256("Transfer(address,address,uint256)");

    PayoutVault public immutable vault;
    Quirks public immutable quirks = new Quirks();
    address public immutable owner;
    address public immutable treasury;
    address[] public tokens;

    // Who holds which role, as last set by its owner
    address public guardian;
    address public canceller;
    mapping(uint256 lane => address) public operatorOf;

    // What happened
    mapping(uint256 lane => bytes32) public headOf;
    mapping(uint256 lane => bool) public isRetired;
    mapping(uint256 word => uint256 mask) public maskOf;
    mapping(uint256 id => uint256) public transfersOf;
    mapping(address payee => uint256 id) public idOf;
    mapping(address token => uint256) public leftTheVault;
    mapping(address token => Spending.List) private _spending;
    bool public isPaused;

    // What must never happen, counted
    uint256 public actsWithoutRole;
    uint256 public batchesOnRetiredLanes;
    uint256 public batchesWhilePaused;
    uint256 public batchesOnStaleHeads;
    uint256 public batchesOverLimit;
    uint256 public lossesOfOthers;
    uint256 public strayTransfers;
    uint256 public clearedBits;

    // What must happen for the rest to mean anything
    uint256 public batches;
    uint256 public movements;
    uint256 public refusals;

    constructor(PayoutVault vault_, address owner_) {
        (vault, owner, treasury) = (vault_, owner_, vault_.treasury());
        (guardian, canceller) = (vault_.guardian(), vault_.canceller());
        tokens = quirks.all();
        for (uint256 i = 0; i < tokens.length; ++i) {
            QuirkToken(tokens[i]).mint(address(vault_), 10 ** 12);
            limit(tokens[i], 10 ** 12, 800);
        }
        for (uint256 lane = 1; lane <= LANES; ++lane) setLane(lane, lane, 1);
        for (uint256 id = 0; id < LANES * 2 * INDEXES * 2; ++id) {
            uint256 number = id >> 1;
            uint256 lane = 1 + (number % LANES);
            uint256 payout = (wordOf(uint32(lane), (number / LANES) % 2) << 8) | (number / LANES / 2);
            idOf[payeeFor(payout, id & 1)] = payout;
        }
    }

    function limitOf(address token) public view returns (uint256 least, uint256 most, uint256 amount) {
        (least, most) = _spending[token].spent();
        (uint96 set,) = vault.limitOf(token);
        amount = set;
    }

    function payeeFor(uint256 id, uint256 variant) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("payee of", id, variant)))));
    }

    // --- what the fuzzer calls

    function pay(uint256 seed) external {
        Batch memory batch = batchFrom(seed);
        address caller = usually(seed, operatorOf[batch.lane]);
        bool whileRetired = isRetired[batch.lane];
        uint256[] memory before = holdings(batch);
        vm.recordLogs();
        if (!attempt(caller, calldataOf(batch))) return;

        ++batches;
        if (caller != operatorOf[batch.lane]) ++actsWithoutRole;
        if (whileRetired) ++batchesOnRetiredLanes;
        if (isPaused) ++batchesWhilePaused;
        if (batch.head != headOf[batch.lane]) ++batchesOnStaleHeads;
        headOf[batch.lane] = keccak256(calldataOf(batch));
        follow(batch, vm.getRecordedLogs());
        settle(batch, before);
    }

    function cancel(uint256 seed) external {
        uint256[] memory ids = new uint256[](2);
        for (uint256 i = 0; i < 2; ++i) {
            ids[i] = (word(draw(seed, i)) << 8) | (draw(seed, i + 2) % INDEXES);
        }
        address caller = usually(seed, canceller);
        if (!attempt(caller, abi.encodeCall(vault.cancel, (ids)))) return;
        if (caller != canceller) ++actsWithoutRole;
        for (uint256 i = 0; i < 2; ++i) use(ids[i] >> 8, 1 << (ids[i] & 0xff));
    }

    function withdraw(uint256 seed, uint256 amount) external {
        address token = tokens[seed % tokens.length];
        uint256 before = balance(token, treasury) + balance(token, address(0xFEE));
        uint256 held = balance(token, address(vault));
        address caller = usually(seed, owner);
        vm.recordLogs();
        if (!attempt(caller, abi.encodeCall(vault.withdraw, (token, amount % 10 ** 10)))) return;
        if (caller != owner) ++actsWithoutRole;
        strays(token, vm.getRecordedLogs());
        uint256 gained = balance(token, treasury) + balance(token, address(0xFEE)) - before;
        book(token, held - balance(token, address(vault)), gained, 1);
    }

    function retire(uint256 seed) external {
        if (seed % 8 != 0) return; // else all lanes would soon be gone
        uint256 lane = 1 + (draw(seed, 1) % LANES);
        address caller = usually(draw(seed, 2), guardian);
        if (!attempt(caller, abi.encodeCall(vault.retireLane, (uint32(lane))))) return;
        if (caller != guardian) ++actsWithoutRole;
        isRetired[lane] = true;
    }

    function pauseOrUnpause(uint256 seed) external {
        address role = isPaused ? owner : guardian;
        address caller = usually(seed, role);
        if (!attempt(caller, isPaused ? abi.encodeCall(vault.unpause, ()) : abi.encodeCall(vault.pause, ()))) return;
        if (caller != role) ++actsWithoutRole;
        isPaused = !isPaused;
    }

    function setLane(uint256 seed, uint256 lane, uint256 who) public {
        lane = 1 + (lane % LANES);
        address operator = who % 4 == 0 ? address(quirks.reentering()) : person(who);
        address caller = usually(seed, owner);
        if (!attempt(caller, abi.encodeCall(vault.setLane, (uint32(lane), operator)))) return;
        if (caller != owner || isRetired[lane]) ++actsWithoutRole;
        operatorOf[lane] = operator;
    }

    function setLimit(uint256 seed, uint256 amount) external {
        address caller = usually(seed, owner);
        address token = tokens[draw(seed, 1) % tokens.length];
        uint32 window = [uint32(80), 800, 8][draw(seed, 2) % 3];
        bytes memory data = abi.encodeCall(vault.setLimit, (token, uint96(amount % 10 ** 7), window));
        if (!attempt(caller, data)) return;
        if (caller != owner) ++actsWithoutRole;
        _spending[token].setWindow(window);
    }

    function setGuardianAndCanceller(uint256 seed, uint256 who) external {
        address caller = usually(seed, owner);
        address next = who % 4 == 0 ? address(quirks.reentering()) : person(who);
        if (attempt(caller, abi.encodeCall(vault.setGuardian, (next)))) {
            if (caller != owner) ++actsWithoutRole;
            guardian = next;
        }
        if (attempt(caller, abi.encodeCall(vault.setCanceller, (next)))) canceller = next;
    }

    /// @dev The tokens' own doing: switches, and what the re-entering one calls back into.
    function misbehave(uint256 seed, uint256 value) external {
        quirks.turn(seed, value);
        Batch memory inner = batchFrom(draw(seed, 1));
        uint256[] memory ids = new uint256[](1);
        ids[0] = (inner.word << 8) | 1;
        bytes memory data = calldataOf(inner);
        if (value % 3 == 1) data = abi.encodeCall(vault.withdraw, (inner.token, 5));
        if (value % 3 == 2) data = abi.encodeCall(vault.cancel, (ids));
        quirks.reentering().setCallback(address(vault), data, value % 2 == 0);
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + [uint256(1), 10, 100, 1_000][time % 4]);
    }

    // --- how it keeps the books

    /// @dev Follows the logs of a batch: bits used, and for which ids money moved.
    function follow(Batch memory batch, Vm.Log[] memory logs) private {
        strays(batch.token, logs);
        Vm.Log memory last = logs[logs.length - 1];
        (, uint256 attempted, uint256 refused) = abi.decode(last.data, (bytes32, uint256, uint256));
        if (attempted & maskOf[batch.word] != 0 || refused & ~attempted != 0) ++clearedBits;
        use(batch.word, attempted);
        if (refused != 0) ++refusals;
        uint256 sum = 0;
        for (uint256 i = 0; i < batch.items.length; ++i) {
            if ((attempted >> (batch.items[i] >> 248)) & 1 != 0) sum += amountOf(batch.items[i]);
        }
        _spending[batch.token].add(sum);
        (uint256 least,, uint256 amount) = limitOf(batch.token);
        if (least > amount) ++batchesOverLimit;
    }

    /// @dev Each Transfer out of the vault is for one id, or for the treasury, or the token's own fee.
    function strays(address token, Vm.Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != token || logs[i].topics[0] != TRANSFER) continue;
            if (logs[i].topics[1] != bytes32(uint256(uint160(address(vault))))) continue;
            address to = address(uint160(uint256(logs[i].topics[2])));
            if (idOf[to] != 0) ++transfersOf[idOf[to]];
            else if (to != treasury && to != address(0xFEE)) ++strayTransfers;
        }
    }

    /// @dev What the vault lost is what the payees and the token's fee gained.
    function settle(Batch memory batch, uint256[] memory before) private {
        uint256[] memory afterwards = holdings(batch);
        uint256 lost = before[0] - afterwards[0];
        uint256 gained = 0;
        for (uint256 i = 1; i < before.length; ++i) gained += afterwards[i] - before[i];
        if (lost != 0) ++movements;
        book(batch.token, lost, gained, before.length);
    }

    /// @dev Books what left the vault; nothing is lost on the way but what a rebased token rounds, a unit a transfer.
    function book(address token, uint256 lost, uint256 gained, uint256 rounding) private {
        leftTheVault[token] += lost;
        if (token != address(quirks.rebasing())) rounding = 0;
        if (lost > gained + rounding || gained > lost + rounding) ++lossesOfOthers;
    }

    /// @dev Balances of the vault, the fee's collector and the payees of a batch.
    function holdings(Batch memory batch) private view returns (uint256[] memory all) {
        all = new uint256[](batch.items.length + 2);
        all[0] = balance(batch.token, address(vault));
        all[1] = balance(batch.token, address(0xFEE));
        for (uint256 i = 0; i < batch.items.length; ++i) {
            all[i + 2] = balance(batch.token, payeeOf(batch.items[i]));
        }
    }

    /// @dev One of the tokens answers no balance once it is gone; it is left out.
    function balance(address token, address who) private view returns (uint256) {
        return token == address(quirks.vanishing()) ? 0 : QuirkToken(token).balanceOf(who);
    }

    function use(uint256 ofWord, uint256 bits) private {
        maskOf[ofWord] |= bits;
    }

    // --- how it chooses

    function batchFrom(uint256 seed) private view returns (Batch memory batch) {
        batch.lane = uint32(1 + (draw(seed, 10) % LANES));
        batch.token = tokens[draw(seed, 11) % tokens.length];
        batch.word = wordOf(batch.lane, draw(seed, 12) % 2);
        batch.head = draw(seed, 13) % 16 == 0 ? bytes32(seed) : vault.head(batch.lane);
        batch.deadline = uint64(block.timestamp + 1 - (draw(seed, 14) % 16 == 0 ? 2 : 0));
        uint256 chosen = draw(seed, 15) % 2 ** INDEXES;
        uint256 count = 0;
        uint256[] memory items = new uint256[](INDEXES);
        for (uint256 index = 0; index < INDEXES; ++index) {
            if ((chosen >> index) & 1 == 0) continue;
            address payee = payeeFor((batch.word << 8) | index, draw(seed, 20 + index) % 2);
            items[count++] = itemOf(index, draw(seed, 40 + index) % 10 ** 6, payee);
        }
        assembly ("memory-safe") {
            mstore(items, count)
        }
        (batch.items, batch.tags) = (items, new bytes16[](count));
    }

    function word(uint256 seed) private pure returns (uint256) {
        return wordOf(uint32(1 + (seed % LANES)), (seed >> 8) % 2);
    }

    /// @dev The right caller seven times of eight, else anyone.
    function usually(uint256 seed, address right) private view returns (address) {
        return draw(seed, 99) % 8 == 0 ? person(draw(seed, 98)) : right;
    }

    function person(uint256 number) private view returns (address) {
        return [owner, account("one"), account("two"), account("three"), treasury][number % 5];
    }

    function limit(address token, uint96 amount, uint32 window) private {
        vm.prank(owner);
        vault.setLimit(token, amount, window);
        _spending[token].setWindow(window);
    }

    function attempt(address caller, bytes memory data) private returns (bool success) {
        vm.prank(caller);
        (success,) = address(vault).call{gas: GAS}(data);
    }
}
