"""From what is found to what is to stand: a plan with its price, then one transaction after the other.

Nothing is remembered between runs. Each looks at the chain first and sends what is missing: a run that was
killed anywhere is completed by the next, and a run with nothing to do sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bascule.chain import deployed, fee_oracle, nonces
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import number
from bascule.chain.tx import UnsignedTx
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Halted, Rejected
from bascule.domain.fees import Ceiling, Fees
from bascule.domain.gas import TRANSFER_GAS
from bascule.entrypoints.contracts.checks import Check, Step
from bascule.entrypoints.failures import UNREACHABLE, CommandFailed
from bascule.entrypoints.wiring import Unfit

# A role's call on a contract that does not stand yet cannot be estimated; the dearest takes about 75,000.
GAS_OF_A_CALL = 100_000
POLL_S = 0.05


class WalletKey(Protocol):
    """A key that signs 32-byte digests: 65 bytes r, s, parity."""

    @property
    def address(self) -> Address: ...

    async def sign(self, digest: bytes) -> bytes: ...


Told = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The transactions of one run. gas: bound of each; fees: of any of them, in wei."""

    steps: tuple[Step, ...]
    gas: tuple[int, ...]
    fees: Fees

    @property
    def cost(self) -> int:
        """The most it can cost, in wei, at the fees offered now."""
        return sum(self.gas) * self.fees.max_fee_per_gas


def refuse_what_no_transaction_mends(checks: Sequence[Check]) -> None:
    """Raises: Halted naming the first fact that stands in the way."""
    for check in checks:
        if not check.ok and check.step is None:
            raise Unfit(
                f"{check.contract} {checksum(check.address)}: {check.subject} is {check.found}, "
                f"not {check.expected}",
                check.remedy,
            )


def steps_of(checks: Sequence[Check], sender: Address) -> tuple[Step, ...]:
    """What this account has to send, in order."""
    return tuple(each.step for each in checks if not each.ok and each.step and each.step.sender == sender)


async def price(rpc: Caller, steps: Sequence[Step], *, ceiling: int) -> Plan:
    """The steps with their gas and fees. ceiling: wei per gas, never exceeded. Raises as `Caller.call`."""
    standing = await deployed.codes(rpc, [step.to for step in steps]) if steps else {}
    gas = [await _estimate(rpc, step) if standing[step.to] else GAS_OF_A_CALL for step in steps]
    most = Ceiling(ceiling, ceiling * TRANSFER_GAS)
    return Plan(tuple(steps), tuple(gas), await fee_oracle.offer(rpc, gas=TRANSFER_GAS, ceiling=most))


async def require_means(rpc: Caller, sender: Address, plan: Plan) -> None:
    """Returns when the account can pay for the plan. Raises: Rejected."""
    held = number(
        await rpc.call_as(str, "eth_getBalance", "0x" + sender.hex(), "latest"), method="eth_getBalance"
    )
    if held < plan.cost:
        raise Rejected(
            "deployer_poor",
            f"{checksum(sender)} holds {_coins(held)} and the plan may cost {_coins(plan.cost)}",
            next_step=f"send it {_coins(plan.cost - held)} of the chain's coin, or wait for lower fees",
        )


async def settled(rpc: Caller, sender: Address, patience_s: float) -> None:
    """Returns when nothing an earlier run sent waits any more. Raises: CommandFailed after `patience_s`."""
    deadline = _now() + patience_s
    while (
        waiting := await nonces.count(rpc, sender, "pending") - await nonces.count(rpc, sender, "latest")
    ) > 0:
        if _now() > deadline:
            raise CommandFailed(
                f"{waiting} transactions of {checksum(sender)} were not mined within {patience_s:.0f} s",
                "run the command again when they are, or replace them with higher fees",
                code=UNREACHABLE,
            )
        await asyncio.sleep(POLL_S)


async def carry_out(
    rpc: Caller, key: WalletKey, chain_id: int, plan: Plan, *, patience_s: float, told: Told
) -> None:
    """Sends each step once the one before is mined. Raises: Halted, CommandFailed."""
    for step in plan.steps:
        nonce = await nonces.count(rpc, key.address, "latest")
        gas = await _estimate(rpc, step)
        fees = Fees(plan.fees.max_fee_per_gas, plan.fees.max_priority_fee_per_gas, gas)
        unsigned = UnsignedTx(chain_id, nonce, step.to, 0, step.data, fees)
        signed = unsigned.signed(await key.sign(unsigned.digest()))
        tx_hash = "0x" + signed.hash.hex()
        told({"event": "sent", "step": step.what, "transaction": tx_hash})
        try:
            await rpc.call("eth_sendRawTransaction", "0x" + signed.raw.hex())
        except RpcError as error:
            if error.says is not NodeSays.ALREADY_KNOWN:
                raise
        receipt = await _receipt(rpc, tx_hash, patience_s)
        if step.deploys is not None:  # a stranger may have deployed the same before us: just as good
            await deployed.require_code(rpc, {step.deploys.address: step.deploys.artifact.name})
        elif int(receipt["status"], 16) != 1:
            raise Halted(f"{step.what} failed in transaction {tx_hash}")
        told(
            {
                "event": "mined",
                "step": step.what,
                "transaction": tx_hash,
                "block": int(receipt["blockNumber"], 16),
                "gas_used": int(receipt["gasUsed"], 16),
            }
        )


async def _receipt(rpc: Caller, tx_hash: str, patience_s: float) -> dict[str, Any]:
    deadline = _now() + patience_s
    while (found := await rpc.call("eth_getTransactionReceipt", tx_hash)) is None:
        if _now() > deadline:
            raise CommandFailed(
                f"transaction {tx_hash} was not mined within {patience_s:.0f} s",
                "run the command again: it goes on where the chain is",
                code=UNREACHABLE,
            )
        await asyncio.sleep(POLL_S)
    return dict(found)


async def _estimate(rpc: Caller, step: Step) -> int:
    """The node's estimate and a quarter more."""
    call = {"from": "0x" + step.sender.hex(), "to": "0x" + step.to.hex(), "data": "0x" + step.data.hex()}
    return number(await rpc.call_as(str, "eth_estimateGas", call), method="eth_estimateGas") * 5 // 4


def _now() -> float:
    return asyncio.get_running_loop().time()


def _coins(wei: int) -> str:
    """Wei as whole coins with as many digits as it takes to say a hundred-thousandth."""
    return f"{wei / 10**18:.5f}"
