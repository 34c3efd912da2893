"""eth_call and eth_estimateGas: what a message would do, without doing it."""

from typing import TYPE_CHECKING, Any, NamedTuple

from eth.exceptions import OutOfGas, Revert, VMError
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import Address
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


class Message(NamedTuple):
    """A call's parameters; `gas` None means all of a block, `authorizations` are EIP-7702's for py-evm."""

    sender: bytes
    to: bytes
    value: int
    data: bytes
    gas: int | None
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
    authorizations: tuple[dict[str, Any], ...]


def call(evm: Evm, block_hash: bytes, message: Message) -> bytes:
    """Returns what the call returns at that block; a revert is raised as `RpcError` code 3 with its data."""
    gas_limit = evm.header(block_hash).gas_limit
    computation = _run(evm, block_hash, message, min(message.gas or gas_limit, gas_limit))
    if computation.is_error:
        raise failure(computation.error)
    return bytes(computation.output)


def estimate(evm: Evm, block_hash: bytes, message: Message) -> int:
    """Returns a gas limit with which the transaction succeeds, at most 1.5 % above the least one.

    Raises as `call` does when it fails even with all the gas of a block.
    """
    gas_limit: int = evm.header(block_hash).gas_limit
    top = min(message.gas or gas_limit, gas_limit)
    full = _run(evm, block_hash, message, top)
    if full.is_error:
        if isinstance(full.error, OutOfGas):
            raise refused(f"gas required exceeds allowance ({top})")
        raise failure(full.error)
    used = top - full.get_gas_remaining()
    least = max(used, floor_gas(message.data))
    if _succeeds(evm, block_hash, message, least):
        return least
    low, high = least, top
    guess = (least + CALL_STIPEND) * 64 // 63
    if guess < high:
        low, high = (low, guess) if _succeeds(evm, block_hash, message, guess) else (guess, high)
    while low + 1 < high and (high - low) / high > ESTIMATE_TOLERANCE:
        middle = min((low + high) // 2, low * 2)
        low, high = (low, middle) if _succeeds(evm, block_hash, message, middle) else (middle, high)
    return high


def failure(error: VMError) -> RpcError:
    """Returns the error for a failed execution; a revert keeps its data and, where it has one, its reason."""
    if not isinstance(error, Revert):
        return refused(f"{_words(error)}")
    output = bytes(error.args[0]) if error.args and isinstance(error.args[0], bytes) else b""
    reason = _reason(output)
    message = f"execution reverted: {reason}" if reason else "execution reverted"
    return RpcError(REVERTED, message, "0x" + output.hex())


def _words(error: VMError) -> str:
    if isinstance(error, OutOfGas):
        return "out of gas"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _reason(output: bytes) -> str | None:
    try:
        if output[:4] == ERROR_SELECTOR:
            return str(decode(["string"], output[4:])[0])
        if output[:4] == PANIC_SELECTOR:
            return f"panic code {decode(['uint256'], output[4:])[0]:#04x}"
    except (DecodingError, UnicodeDecodeError):
        return None
    return None


def _succeeds(evm: Evm, block_hash: bytes, message: Message, gas: int) -> bool:
    return not _run(evm, block_hash, message, gas).is_error


def _run(evm: Evm, block_hash: bytes, message: Message, gas: int) -> "ComputationAPI":
    """Executes the message in the block's own context, free of charge."""
    head: Any = evm.header(block_hash)
    vm: Any = evm.chain.get_vm(head)
    context = vm.create_execution_context(head.copy(base_fee_per_gas=0), vm.previous_hashes, vm.chain_context)
    state = vm.get_state_class()(vm.chaindb.db, context, head.state_root)
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
        raise refused(f"intrinsic gas too low: have {gas}, want {unsigned.intrinsic_gas}")
    balance = state.get_balance(Address(message.sender))
    if balance < message.value:
        raise refused(f"insufficient funds for gas * price + value: have {balance} want {message.value}")
    spoofed: Any = SpoofTransaction(unsigned, from_=message.sender)
    try:
        computation: ComputationAPI = state.apply_transaction(spoofed)
        return computation
    except ValidationError as error:
        raise refused(str(error)) from error
