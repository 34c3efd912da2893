// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title PayoutVault
///
/// @notice Holds the float of the next hours and pays it out in batches. Each payout id is attempted at most once, ever.
///
/// @dev id   = lane (uint32) || sequence (uint224).
/// @dev word = id >> 8: the 256 ids that share one storage word. A batch stays inside one word.
/// @dev item = index in the word (8 bits) || amount in base units (88) || payee (160), most significant first.
/// @dev A set bit means used: paid, refused or canceled. It is never cleared. Whether an id was *paid* is said only by
///      the outcome events together with the token's own Transfer log.
/// @dev There is no delegatecall, no arbitrary call and no upgrade; money leaves to payees and to the treasury only.
contract PayoutVault is Ownable2Step, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice One stream of batches: one operator wallet, one head
    struct Lane {
        /// @dev The only account that may pay on this lane; zero while the lane is closed
        address operator;
        /// @dev True once the lane was retired, for ever
        bool retired;
        /// @dev Fence against stale backups; zero before the first batch
        bytes32 head;
    }

    /// @notice What operators may pay of one token in any `window` seconds
    struct Limit {
        /// @dev The most base units in any `window` seconds
        uint96 amount;
        /// @dev Sum of `slices` as of slice `newest`
        uint96 spent;
        /// @dev Seconds, a multiple of `WINDOW_SLICES`; zero while the token has no limit and so cannot be paid
        uint32 window;
        /// @dev Number (time / width) of the slice that was counted last
        uint32 newest;
        /// @dev Base units attempted in each slice of the window, a ring by slice number
        uint96[9] slices;
    }

    /// @notice Gas that must be left before each token call, so that a call starved of gas is never taken for a refusal
    uint256 public constant ITEM_GAS_FLOOR = 200_000;

    /// @notice Slices a window is cut into; what was spent counts for `window` seconds and up to one slice longer
    uint256 public constant WINDOW_SLICES = 8;

    /// @dev A span of `window` seconds touches at most this many slices
    uint256 private constant _RING = WINDOW_SLICES + 1;

    /// @dev Most bytes of a token's answer that are kept as the reason of a refusal
    uint256 private constant _REASON_BYTES = 256;

    /// @notice The only address `withdraw` pays to
    address public immutable treasury;

    /// @notice May pause the vault and retire lanes, nothing else
    address public guardian;

    /// @notice May mark ids as used, nothing else
    address public canceller;

    mapping(uint32 lane => Lane) private _lanes;
    mapping(uint256 word => uint256 mask) private _used;
    mapping(address token => Limit) private _limits;

    /// @notice A batch was executed
    ///
    /// @dev Paid ids are the bits of `attemptedMask` that are not in `refusedMask`; in rising order the k-th of them
    ///      pairs with the k-th Transfer of `token` from the vault in this call.
    ///
    /// @param lane The lane it ran on
    /// @param head The lane's head after the batch
    /// @param token The token paid
    /// @param word The word the items belong to
    /// @param attemptedMask Bits this call set
    /// @param refusedMask Those of them the token refused
    event BatchPaid(
        uint32 indexed lane,
        bytes32 head,
        address indexed token,
        uint256 indexed word,
        uint256 attemptedMask,
        uint256 refusedMask
    );

    /// @notice The token refused one item; its id stays used
    ///
    /// @param id The payout id
    /// @param reason The first 256 bytes of the token's answer: revert data, or the returned word that was not true
    event PayoutRefused(uint256 indexed id, bytes reason);

    /// @notice An unused id was marked as used without paying
    event PayoutCanceled(uint256 indexed id);

    /// @notice A lane was given to an operator; the zero address closes it
    event LaneSet(uint32 indexed lane, address indexed operator);

    /// @notice A lane was closed for ever
    event LaneRetired(uint32 indexed lane);

    /// @notice The rolling limit of a token was set
    event LimitSet(address indexed token, uint96 amount, uint32 window);

    /// @notice The guardian was set
    event GuardianSet(address indexed guardian);

    /// @notice The canceller was set
    event CancellerSet(address indexed canceller);

    /// @notice Float was sent back to the treasury
    event Withdrawn(address indexed token, uint256 amount);

    /// @notice The caller is not the operator of the lane
    error NotOperator(address caller, address operator);

    /// @notice The caller is not the guardian
    error NotGuardian(address caller, address guardian);

    /// @notice The caller is not the canceller
    error NotCanceller(address caller, address canceller);

    /// @notice The lane was retired and stays so
    error LaneIsRetired(uint32 lane);

    /// @notice The batch was built on another head than the lane's: the caller's records are stale
    error HeadMismatch(uint32 lane, bytes32 expected, bytes32 actual);

    /// @notice The word belongs to another lane
    error WordNotOfLane(uint256 word, uint32 lane);

    /// @notice The block's time is past the batch's deadline
    error DeadlinePassed(uint64 deadline, uint256 timestamp);

    /// @notice A batch needs at least one item
    error EmptyBatch();

    /// @notice Items and tags must be equally many
    error LengthMismatch(uint256 items, uint256 tags);

    /// @notice The index at `position` must be at least `least`: indexes rise strictly
    error IndexNotRising(uint256 position, uint256 index, uint256 least);

    /// @notice There is no contract at the token's address
    error TokenWithoutCode(address token);

    /// @notice The vault holds less than the unused items of the batch need
    error BalanceBelowSum(address token, uint256 balance, uint256 sum);

    /// @notice The unused items of the batch need more than the rolling limit leaves
    error LimitExceeded(address token, uint256 sum, uint256 available);

    /// @notice Too little gas is left to let the token decide
    error GasBelowFloor(uint256 gasLeft, uint256 floor);

    /// @notice The window must be a positive multiple of `multiple` seconds
    error InvalidWindow(uint32 window, uint256 multiple);

    /// @notice The treasury must not be the zero address
    error InvalidTreasury(address treasury);

    /// @notice Without an owner the float could never be withdrawn
    error OwnershipIsForever();

    /// @notice Lets only the guardian in
    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender, guardian);
        _;
    }

    /// @notice Lets only the canceller in
    modifier onlyCanceller() {
        if (msg.sender != canceller) revert NotCanceller(msg.sender, canceller);
        _;
    }

    /// @notice Fixes the treasury and sets the first owner, guardian and canceller
    ///
    /// @param owner_ First owner; hands over in two steps
    /// @param treasury_ The only address `withdraw` will ever pay to
    /// @param guardian_ First guardian
    /// @param canceller_ First canceller
    constructor(address owner_, address treasury_, address guardian_, address canceller_) Ownable(owner_) {
        if (treasury_ == address(0)) revert InvalidTreasury(treasury_);
        treasury = treasury_;
        guardian = guardian_;
        canceller = canceller_;
        emit GuardianSet(guardian_);
        emit CancellerSet(canceller_);
    }

    /// @notice Pays the unused items of one batch
    ///
    /// @dev Reverts as a whole, with nothing used, unless all of this holds: not paused, lane not retired, caller is
    ///      the lane's operator, deadline not passed, head as expected, word of this lane, as many tags as items, indexes
    ///      strictly rising, token has code, balance and rolling limit cover the sum of the unused items, and
    ///      `ITEM_GAS_FLOOR` gas is left before each token call.
    /// @dev An item whose bit is set is skipped. An item the token refuses (by reverting or returning anything but
    ///      nothing or true) stays used, is named by `PayoutRefused`, and does not stop the others.
    /// @dev The lane's next head is keccak256(msg.data): the selector and all arguments as sent, `expectedHead` among
    ///      them. It commits to inputs, not to outcomes.
    /// @dev Attempted amounts count against the limit whether refused or not, as a token that lies about a refusal must
    ///      not stretch it.
    ///
    /// @param token The token to pay
    /// @param lane The lane to pay on
    /// @param expectedHead The lane's head this batch was built on
    /// @param word The word all items belong to
    /// @param items index (8 bits) || amount (88) || payee (160) each
    /// @param tags One per item, kept in calldata only: they let requests be found again from the chain alone
    /// @param deadline Last block time, in seconds, at which this batch may run
    function pay(
        address token,
        uint32 lane,
        bytes32 expectedHead,
        uint256 word,
        uint256[] calldata items,
        bytes16[] calldata tags,
        uint64 deadline
    ) external nonReentrant whenNotPaused {
        _checkLane(lane, expectedHead, word);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
        if (items.length == 0) revert EmptyBatch();
        if (items.length != tags.length) revert LengthMismatch(items.length, tags.length);
        if (token.code.length == 0) revert TokenWithoutCode(token);

        // Use the ids and advance the head
        (uint256 attempted, uint256 sum) = _use(word, items);
        bytes32 next = keccak256(msg.data);
        _lanes[lane].head = next;

        // Whole or nothing: the float and the limit must cover all of it
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance < sum) revert BalanceBelowSum(token, balance, sum);
        _spend(token, sum);

        // From here on only the token decides, item by item
        uint256 refused = _transferEach(IERC20(token), word, items, attempted);
        emit BatchPaid(lane, next, token, word, attempted, refused);
    }

    /// @notice Marks ids as used, so that they can never be paid; ids already used are skipped
    ///
    /// @dev Works while paused and on retired lanes. Only ids named by `PayoutCanceled` were canceled.
    ///
    /// @param ids Payout ids, of any lane and in any order
    function cancel(uint256[] calldata ids) external nonReentrant onlyCanceller {
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 bit = 1 << (ids[i] & 0xff);
            uint256 mask = _used[ids[i] >> 8];
            if (mask & bit != 0) continue;
            _used[ids[i] >> 8] = mask | bit;
            emit PayoutCanceled(ids[i]);
        }
    }

    /// @notice Stops `pay` until the owner unpauses
    function pause() external onlyGuardian {
        _pause();
    }

    /// @notice Closes a lane for ever; none of its unused ids can be paid any more
    ///
    /// @param lane The lane to retire
    function retireLane(uint32 lane) external onlyGuardian {
        if (_lanes[lane].retired) revert LaneIsRetired(lane);
        _lanes[lane].retired = true;
        emit LaneRetired(lane);
    }

    /// @notice Lets `pay` run again
    function unpause() external onlyOwner {
        _unpause();
    }

    /// @notice Gives a lane to an operator, or closes it with the zero address; its head stays
    ///
    /// @param lane The lane to set
    /// @param operator_ The only account that may pay on it from now on
    function setLane(uint32 lane, address operator_) external onlyOwner {
        if (_lanes[lane].retired) revert LaneIsRetired(lane);
        _lanes[lane].operator = operator_;
        emit LaneSet(lane, operator_);
    }

    /// @notice Sets what operators together may pay of a token in any `window` seconds
    ///
    /// @dev What was spent before keeps counting; when the window changes, as if it were spent now.
    ///
    /// @param token The token; without a limit it cannot be paid at all
    /// @param amount The most base units in any `window` seconds; zero stops the token
    /// @param window Seconds, a positive multiple of `WINDOW_SLICES`
    function setLimit(address token, uint96 amount, uint32 window) external onlyOwner {
        if (window == 0 || window % WINDOW_SLICES != 0) revert InvalidWindow(window, WINDOW_SLICES);
        Limit storage limit = _limits[token];
        if (limit.window != window) {
            uint96 spent = uint96(_spentOf(limit));
            uint256 current = block.timestamp / (window / WINDOW_SLICES);
            delete limit.slices;
            limit.slices[current % _RING] = spent;
            limit.spent = spent;
            limit.window = window;
            limit.newest = uint32(current);
        }
        limit.amount = amount;
        emit LimitSet(token, amount, window);
    }

    /// @notice Names the guardian; the zero address leaves none
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @notice Names the canceller; the zero address leaves none
    function setCanceller(address canceller_) external onlyOwner {
        canceller = canceller_;
        emit CancellerSet(canceller_);
    }

    /// @notice Sends float back to the treasury; works while paused
    ///
    /// @param token The token to send
    /// @param amount Base units
    function withdraw(address token, uint256 amount) external nonReentrant onlyOwner {
        emit Withdrawn(token, amount);
        IERC20(token).safeTransfer(treasury, amount);
    }

    /// @notice True once the id was paid, refused or canceled
    function used(uint256 id) external view returns (bool) {
        return _used[id >> 8] & (1 << (id & 0xff)) != 0;
    }

    /// @notice The used bits of all 256 ids of a word
    function usedMask(uint256 word) external view returns (uint256) {
        return _used[word];
    }

    /// @notice The lane's head: zero before its first batch, then keccak256 of the calldata of its latest `pay`
    function head(uint32 lane) external view returns (bytes32) {
        return _lanes[lane].head;
    }

    /// @notice The lane's operator, zero while closed
    function operator(uint32 lane) external view returns (address) {
        return _lanes[lane].operator;
    }

    /// @notice True once the lane was retired
    function retired(uint32 lane) external view returns (bool) {
        return _lanes[lane].retired;
    }

    /// @notice The rolling limit of a token: base units and seconds; both zero while none was set
    function limitOf(address token) external view returns (uint96 amount, uint32 window) {
        return (_limits[token].amount, _limits[token].window);
    }

    /// @notice Base units of a token that operators may still pay at this block's time; the balance may be lower
    function available(address token) external view returns (uint256) {
        Limit storage limit = _limits[token];
        uint256 spent = _spentOf(limit);
        return spent < limit.amount ? limit.amount - spent : 0;
    }

    /// @notice Refused: without an owner the float could never be withdrawn
    function renounceOwnership() public pure override {
        revert OwnershipIsForever();
    }

    /// @dev Marks the unused items as used.
    ///
    /// @return attempted Bits set by this call
    /// @return sum Base units of the items behind them
    function _use(uint256 word, uint256[] calldata items) private returns (uint256 attempted, uint256 sum) {
        uint256 mask = _used[word];
        uint256 least = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            uint256 item = items[i];
            uint256 index = item >> 248;
            if (index < least) revert IndexNotRising(i, index, least);
            // At most 256 items pass the check above, so that neither sum can overflow
            unchecked {
                least = index + 1;
                if (mask & (1 << index) != 0) continue;
                attempted |= 1 << index;
                sum += uint88(item >> 160);
            }
        }
        _used[word] = mask | attempted;
    }

    /// @dev Counts `sum` against the token's rolling limit.
    function _spend(address token, uint256 sum) private {
        Limit storage limit = _limits[token];
        if (limit.window == 0) revert LimitExceeded(token, sum, 0);
        uint256 spent = _spentOf(limit);
        if (spent + sum > limit.amount) {
            revert LimitExceeded(token, sum, spent < limit.amount ? limit.amount - spent : 0);
        }
        uint256 current = _slice(limit);
        uint256 newest = limit.newest;
        uint256 stale = current - newest < _RING ? current - newest : _RING;
        for (uint256 i = 1; i <= stale; ++i) {
            limit.slices[(newest + i) % _RING] = 0;
        }
        limit.slices[current % _RING] += uint96(sum);
        limit.spent = uint96(spent + sum);
        limit.newest = uint32(current);
    }

    /// @dev Asks the token to pay each attempted item.
    ///
    /// @return refused Bits of the items the token refused
    function _transferEach(IERC20 token, uint256 word, uint256[] calldata items, uint256 attempted)
        private
        returns (uint256 refused)
    {
        for (uint256 i = 0; i < items.length; ++i) {
            uint256 item = items[i];
            uint256 bit = 1 << (item >> 248);
            if (attempted & bit == 0) continue;
            if (gasleft() < ITEM_GAS_FLOOR) revert GasBelowFloor(gasleft(), ITEM_GAS_FLOOR);
            if (token.trySafeTransfer(address(uint160(item)), uint88(item >> 160))) continue;
            refused |= bit;
            emit PayoutRefused((word << 8) | (item >> 248), _answer());
        }
    }

    /// @dev Reverts unless the caller may pay on this lane with a batch built on this head and word.
    function _checkLane(uint32 lane, bytes32 expectedHead, uint256 word) private view {
        Lane storage state = _lanes[lane];
        if (state.retired) revert LaneIsRetired(lane);
        if (msg.sender != state.operator) revert NotOperator(msg.sender, state.operator);
        if (state.head != expectedHead) revert HeadMismatch(lane, expectedHead, state.head);
        if (word >> 216 != lane) revert WordNotOfLane(word, lane);
    }

    /// @dev Base units that count against the limit at this block's time.
    function _spentOf(Limit storage limit) private view returns (uint256 spent) {
        if (limit.window == 0) return 0;
        spent = limit.spent;
        uint256 newest = limit.newest;
        uint256 current = _slice(limit);
        uint256 stale = current - newest < _RING ? current - newest : _RING;
        for (uint256 i = 1; i <= stale; ++i) {
            spent -= limit.slices[(newest + i) % _RING];
        }
    }

    /// @dev Number of the slice this block's time falls in.
    function _slice(Limit storage limit) private view returns (uint256) {
        return block.timestamp / (limit.window / WINDOW_SLICES);
    }

    /// @dev The first bytes of what the latest call returned; a longer answer cannot make the vault pay for copying it.
    function _answer() private pure returns (bytes memory answer) {
        uint256 reasonBytes = _REASON_BYTES;
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, reasonBytes) { size := reasonBytes }
            answer := mload(0x40)
            mstore(answer, size)
            returndatacopy(add(answer, 0x20), 0, size)
            mstore(0x40, add(add(answer, 0x20), and(add(size, 0x1f), not(0x1f))))
        }
    }
}
