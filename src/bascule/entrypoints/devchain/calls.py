"""eth_call and eth_estimateGas: what a message would do, without doing it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from eth.exceptions import (
    ContractCreationCollision,
    FullStack,
    InsufficientFunds,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    Revert,
    VMError,
    WriteProtection,
)
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import Address
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from bascule.entrypoints.devchain.admission import floor_gas
from bascule.entrypoints.devchain.errors import REVERTED, RpcError, refused
from bascule.entrypoints.devchain.evm import Evm

if TYPE_CHECKING:
    from eth.abc import ComputationAPI

ERROR_SELECTOR = bytes.fromhex("08c379a0")
PANIC_SELECTOR = bytes.fromhex("4e487b71")
# The EVM's stack depth makes a call need 64/63 of what it hands on; 2,300 is the stipend of a value transfer.
CALL_STIPEND = 2_300
# geth ends its search when the bounds are within this share of each other.
ESTIMATE_TOLERANCE = 0.015


# Solidity's codes, in geth's words.
PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
# What ends an execution without a revert, in geth's words.
HALTS: dict[type[VMError], str] = {
    OutOfGas: "out of gas",
    InsufficientStack: "stack underflow",
    FullStack: "stack limit reached 1024",
    InvalidJumpDestination: "invalid jump destination",
    InvalidInstruction: "invalid opcode",
    WriteProtection: "write protection",
    OutOfBoundsRead: "return data out of bounds",
    InsufficientFunds: "insufficient balance for transfer",
    ContractCreationCollision: "contract address collision",
}


class Override(NamedTuple):
    """An account as a call shall find it; None leaves as it is, `state` replaces all of its storage."""

    address: bytes
    balance: int | None
    nonce: int | None
    code: bytes | None
    state: Mapping[int, int] | None
    state_diff: Mapping[int, int] | None


class Message(NamedTuple):
    """A call's parameters.

    `gas` None means all of a block; `price` is the fee cap in wei, 0 for none: then nothing is paid;
    `authorizations` are EIP-7702's for py-evm.
    """

    sender: bytes
    to: bytes
    value: int
    data: bytes
    gas: int | None
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
    authorizations: tuple[dict[str, Any], ...]
    price: int = 0
    overrides: tuple[Override, ...] = ()


class Unfit(Exception):
    """The message is refused before anything runs; the text is in geth's words."""


class TooLittleGas(Unfit):
    """Its gas does not even pay for its bytes."""


def call(evm: Evm, block_hash: bytes, message: Message) -> bytes:
    """Returns what the call returns at that block; a revert is raised as `RpcError` code 3 with its data."""
    gas_limit = evm.header(block_hash).gas_limit
    gas = min(message.gas or gas_limit, gas_limit)
    try:
        computation = _run(evm, block_hash, message, gas)
    except Unfit as unfit:
        raise refused(f"err: {unfit} (supplied gas {gas})") from unfit
    if computation.is_error:
        raise failure(computation.error)
    return bytes(computation.output)


def estimate(evm: Evm, block_hash: bytes, message: Message) -> int:
    """Returns a gas limit with which the transaction succeeds, at most 1.5 % above the least one.

    Raises as `call` does when it fails even with all the gas of a block, or all that the sender can pay.
    """
    gas_limit: int = evm.header(block_hash).gas_limit
    top = _affordable(evm, block_hash, message, min(message.gas or gas_limit, gas_limit))
    free = message._replace(price=0)  # what can be paid is bounded by now
    try:
        full = _run(evm, block_hash, free, top)
    except TooLittleGas:
        raise refused(f"gas required exceeds allowance ({top})") from None
    except Unfit as unfit:
        raise refused(f"failed with {top} gas: {unfit}") from unfit
    if full.is_error:
        if isinstance(full.error, OutOfGas):
            raise refused(f"gas required exceeds allowance ({top})")
        raise failure(full.error)
    return _search(evm, block_hash, free, top, max(top - full.get_gas_remaining(), floor_gas(message.data)))


def _search(evm: Evm, block_hash: bytes, message: Message, top: int, least: int) -> int:
    """Returns a gas limit between what was used (`least`) and what sufficed (`top`)."""
    if least >= top or _succeeds(evm, block_hash, message, least):
        return min(least, top)
    low, high = least, top
    guess = (least + CALL_STIPEND) * 64 // 63
    if guess < high:
        low, high = (low, guess) if _succeeds(evm, block_hash, message, guess) else (guess, high)
    while low + 1 < high and (high - low) / high > ESTIMATE_TOLERANCE:
        middle = min((low + high) // 2, low * 2)
        low, high = (low, middle) if _succeeds(evm, block_hash, message, middle) else (middle, high)
    return high


def _affordable(evm: Evm, block_hash: bytes, message: Message, top: int) -> int:
    """Returns how much gas of `top` the sender's balance buys at the message's price."""
    if not message.price:
        return top
    state = evm.state(block_hash)
    _override(state, message.overrides)
    balance = state.get_balance(Address(message.sender))
    if balance < message.value:
        raise refused("insufficient funds for transfer")
    return min(top, (balance - message.value) // message.price)


def failure(error: VMError) -> RpcError:
    """Returns the error for a failed execution; a revert keeps its data and, where it has one, its reason."""
    if not isinstance(error, Revert):
        return refused(f"{_words(error)}")
    output = bytes(error.args[0]) if error.args and isinstance(error.args[0], bytes) else b""
    reason = _reason(output)
    message = f"execution reverted: {reason}" if reason else "execution reverted"
    return RpcError(REVERTED, message, "0x" + output.hex())


def _words(error: VMError) -> str:
    if isinstance(error, InvalidInstruction) and "0xfe" in str(error):
        return "invalid opcode: INVALID"
    known = next((words for kind, words in HALTS.items() if isinstance(error, kind)), None)
    return known or f"{type(error).__name__}: {error}"


def _reason(output: bytes) -> str | None:
    try:
        if output[:4] == ERROR_SELECTOR:
            return str(decode(["string"], output[4:])[0])
        if output[:4] == PANIC_SELECTOR:
            code = int(decode(["uint256"], output[4:])[0])
            return PANICS.get(code, f"unknown panic code: {code:#x}")
    except (DecodingError, UnicodeDecodeError):
        return None
    return None


def _succeeds(evm: Evm, block_hash: bytes, message: Message, gas: int) -> bool:
    try:
        return not _run(evm, block_hash, message, gas).is_error
    except TooLittleGas:
        return False


def _run(evm: Evm, block_hash: bytes, message: Message, gas: int) -> "ComputationAPI":
    """Executes the message in the block's own context, free of charge; raises `Unfit`."""
    head: Any = evm.header(block_hash)
    vm: Any = evm.chain.get_vm(head)
    context = vm.create_execution_context(head.copy(base_fee_per_gas=0), vm.previous_hashes, vm.chain_context)
    state = vm.get_state_class()(vm.chaindb.db, context, head.state_root)
    _override(state, message.overrides)
    fields = {
        "chain_id": evm.chain.chain_id,
        "nonce": state.get_nonce(Address(message.sender)),
        "max_priority_fee_per_gas": 0,
        "max_fee_per_gas": 0,
        "gas": gas,
        "to": message.to,
        "value": message.value,
        "data": message.data,
        "access_list": message.access_list,
    }
    builder = vm.get_transaction_builder()
    if message.authorizations:
        authorizations = list(message.authorizations)
        unsigned = builder.new_unsigned_set_code_transaction(**fields, authorization_list=authorizations)
    else:
        unsigned = builder.new_unsigned_dynamic_fee_transaction(**fields)
    if gas < unsigned.intrinsic_gas:
        raise TooLittleGas(f"intrinsic gas too low: have {gas}, want {unsigned.intrinsic_gas}")
    balance, wanted = state.get_balance(Address(message.sender)), gas * message.price + message.value
    if balance < wanted:
        sender = to_checksum_address(message.sender)
        raise Unfit(
            f"insufficient funds for gas * price + value: address {sender} have {balance} want {wanted}"
        )
    spoofed: Any = SpoofTransaction(unsigned, from_=message.sender)
    try:
        computation: ComputationAPI = state.apply_transaction(spoofed)
        return computation
    except ValidationError as error:
        raise Unfit(str(error)) from error


def _override(state: Any, overrides: tuple[Override, ...]) -> None:
    for account in overrides:
        if account.balance is not None:
            state.set_balance(account.address, account.balance)
        if account.nonce is not None:
            state.set_nonce(account.address, account.nonce)
        if account.code is not None:
            state.set_code(account.address, account.code)
        if account.state is not None:
            state.delete_storage(account.address)
        for slot, value in {**(account.state or {}), **(account.state_diff or {})}.items():
            state.set_storage(account.address, slot, value)
