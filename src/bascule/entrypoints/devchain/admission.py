"""What may wait at all: a transaction's own shape, its sender's account, and its price beside others.

Rules and words are geth's (core/txpool/validation.go, core/error.go), so that whoever reads a refusal from
this chain reads the one a node would give.
"""

from typing import TYPE_CHECKING

from bascule.entrypoints.devchain.errors import refused

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

    from bascule.entrypoints.devchain.evm import Account

# geth's default price bump: a replacement must raise both fees by this many percent.
PRICE_BUMP = 10
SLOT_BYTES = 32 * 1024
MAX_BYTES = 4 * SLOT_BYTES
MAX_INIT_CODE = 49_152
# EIP-2681.
MAX_NONCE = 2**64 - 1
# EIP-7623: each token of calldata costs at least this much, four tokens to a non-zero byte.
FLOOR_PER_TOKEN = 10
SET_CODE_TYPE = 4


def check_shape(tx: "SignedTransactionAPI", size: int, gas_limit: int, price_limit: int) -> None:
    """Refuses what no account could send. size: bytes on the wire; price_limit: the least tip in wei."""
    if size > MAX_BYTES:
        raise refused(f"oversized data: transaction size {size}, limit {MAX_BYTES}")
    if not tx.to and len(tx.data) > MAX_INIT_CODE:
        raise refused(f"max initcode size exceeded: code size {len(tx.data)}, limit {MAX_INIT_CODE}")
    if tx.gas > gas_limit:
        raise refused("exceeds block gas limit")
    if tx.max_priority_fee_per_gas > tx.max_fee_per_gas:
        raise refused(
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {tx.max_priority_fee_per_gas}, maxFeePerGas: {tx.max_fee_per_gas}"
        )
    if tx.nonce >= MAX_NONCE:
        raise refused("nonce has max value")
    if tx.gas < tx.intrinsic_gas:
        raise refused(f"intrinsic gas too low: gas {tx.gas}, minimum needed {tx.intrinsic_gas}")
    floor = floor_gas(tx.data)
    if tx.gas < floor:
        raise refused(f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {floor}")
    tip = tx.max_priority_fee_per_gas
    if tip < price_limit:
        raise refused(f"transaction gas price below minimum: gas tip cap {tip}, minimum needed {price_limit}")
    if tx.type_id == SET_CODE_TYPE and not tx.authorization_list:
        raise refused("set code tx must have at least one authorization tuple")


def check_account(
    tx: "SignedTransactionAPI", account: "Account", spent: int, rival: "SignedTransactionAPI | None"
) -> None:
    """Refuses a spent nonce and what the sender cannot pay beside `spent`, the cost of all it has pending.

    rival: the pending transaction of the same nonce, whose cost would be saved.
    """
    if tx.nonce < account.nonce:
        raise refused(f"nonce too low: next nonce {account.nonce}, tx nonce {tx.nonce}")
    words, price = "insufficient funds for gas * price + value", cost(tx)
    if account.balance < price:
        raise refused(
            f"{words}: balance {account.balance}, tx cost {price}, overshot {price - account.balance}"
        )
    added = price - cost(rival) if rival else price
    overshot = spent + added - account.balance
    if overshot > 0:
        raise refused(
            f"{words}: balance {account.balance}, queued cost {spent}, "
            f"tx {'bumped' if rival else 'cost'} {added}, overshot {overshot}"
        )


def outbids(tx: "SignedTransactionAPI", rival: "SignedTransactionAPI") -> bool:
    """Whether `tx` may take the place of `rival`: both fees higher, and by `PRICE_BUMP` percent."""
    return all(
        new > old and new >= old * (100 + PRICE_BUMP) // 100
        for new, old in (
            (tx.max_fee_per_gas, rival.max_fee_per_gas),
            (tx.max_priority_fee_per_gas, rival.max_priority_fee_per_gas),
        )
    )


def cost(tx: "SignedTransactionAPI") -> int:
    """Returns the most that a transaction can take from its sender, in wei."""
    return tx.gas * tx.max_fee_per_gas + tx.value


def tip(tx: "SignedTransactionAPI", base_fee: int) -> int:
    """Returns what a block with that base fee earns by a unit of its gas, in wei; negative if too cheap."""
    return min(tx.max_priority_fee_per_gas, tx.max_fee_per_gas - base_fee)


def price(tx: "SignedTransactionAPI", base_fee: int) -> tuple[int, int, int]:
    """Returns what a full pool compares: the tip at that base fee, then the fee cap, then the tip cap."""
    return tip(tx, base_fee), tx.max_fee_per_gas, tx.max_priority_fee_per_gas


def slots(size: int) -> int:
    """Returns how many of the pool's slots a transaction of that many bytes takes."""
    return -(-size // SLOT_BYTES)


def floor_gas(payload: bytes) -> int:
    """Returns EIP-7623's lower bound for a transaction with that calldata, in gas."""
    zeros = payload.count(0)
    return 21_000 + FLOOR_PER_TOKEN * (zeros + 4 * (len(payload) - zeros))
