"""What the contracts cost in gas, measured on the in-process chain; the same figures on each machine.

`make gas` measures and writes contracts/gas.json, and docs/contracts/gas.md from it; tests measure again and
compare exactly.
"""

import json
from collections.abc import Sequence
from typing import Any

from tests.support.contracts import Chain, Contract
from tests.support.gas_doc import SNAPSHOT, write
from tests.support.vault import FLOAT, LANE, LIMIT, WINDOW, Stage, item, payee, stage_on, word_of

PAYEES = (1, 10, 100, 256)
ADDRESSES = (1, 50, 200)
TOKENS = ("PlainToken", "TestDollar")
NATIVE = bytes(20)
# The most a transaction may use on chains that cap it (EIP-7825)
GAS_CAP = 2**24
# A time at which a slice of the limit starts, so that no batch crosses into the next
SLICE_START = WINDOW * 46_298


def all_figures() -> dict[str, Any]:
    """The whole snapshot: gas of whole transactions."""
    return {
        "flush": {asset: flushes(asset, ADDRESSES) for asset in ("native", *TOKENS)},
        "pay": {token: payments(token, PAYEES) for token in TOKENS},
        "transfer": {token: transfers(token) for token in TOKENS},
    }


def payments(token: str, sizes: Sequence[int]) -> dict[str, dict[str, int]]:
    """Gas of one batch for so many payees: `new` ones, then the same again as `existing` holders.

    The lane has paid before, the vault keeps a balance, each batch is the first of its word.
    """
    return {str(size): _payment(token, size) for size in sizes}


def _payment(token: str, size: int) -> dict[str, int]:
    stage, contract = _funded_stage(token)
    stage.pay([item(0, 1, payee(10_000))], token=contract.address, word=word_of(LANE, 1))
    items = [item(i, 1_000 + i, payee(i)) for i in range(size)]
    return {
        holders: stage.pay(items, token=contract.address, word=word_of(LANE, word), gas=GAS_CAP).gas_used
        for holders, word in (("new", 2), ("existing", 3))
    }


def transfers(token: str) -> dict[str, int]:
    """Gas of a plain `transfer` from a key-held account, for comparison."""
    stage, contract = _funded_stage(token)
    contract.send("mint", stage.operator, FLOAT, by=stage.owner)
    new, existing = (contract.send("transfer", payee(0), 1_000, by=stage.operator).gas_used for _ in range(2))
    return {"new": new, "existing": existing}


def flushes(asset: str, sizes: Sequence[int]) -> dict[str, dict[str, int]]:
    """Gas of flushing so many addresses: `first`, which deploys them, then `again`.

    The collector holds some of the asset before.
    """
    stage, contract = _funded_stage("PlainToken" if asset == "native" else asset)
    chain, collector = stage.chain, payee(20_000)
    factory = chain.deploy("DepositFactory", stage.owner, 0)
    factory.send("setCollector", collector, by=stage.owner)
    token = NATIVE if asset == "native" else contract.address
    _fund(stage, contract, token, [collector])
    found: dict[str, dict[str, int]] = {}
    for size in sizes:
        salts = [(1_000 * size + i).to_bytes(32, "big") for i in range(size)]
        addresses = [factory.read("forwarderOf", salt) for salt in salts]
        found[str(size)] = {}
        for turn in ("first", "again"):
            _fund(stage, contract, token, addresses)
            receipt = factory.send("flush", salts, token, by=stage.stranger, gas=GAS_CAP)
            assert sum(event[0] == "Flushed" for event in factory.events(receipt)) == size
            found[str(size)][turn] = receipt.gas_used
    return found


def _funded_stage(token: str) -> tuple[Stage, Contract]:
    """A vault on a chain of its own with the token under its limit, at a fixed time."""
    stage = stage_on(Chain())
    contract = stage.token
    if token != "TestDollar":
        contract = stage.chain.deploy(f"quirks/{token}")
        contract.send("mint", stage.vault.address, FLOAT, by=stage.owner)
        stage.vault.send("setLimit", contract.address, LIMIT, WINDOW, by=stage.owner)
    stage.chain.travel(SLICE_START)
    return stage, contract


def _fund(stage: Stage, contract: Contract, token: bytes, addresses: Sequence[bytes]) -> None:
    """Gives each address 1,000 units at once: by a batch of the vault, or in native coin by code run once."""
    if token != NATIVE:
        items = [item(i, 1_000, address) for i, address in enumerate(addresses)]
        fresh = word_of(LANE, stage.chain.now)
        stage.pay(items, token=contract.address, word=fresh, gas=GAS_CAP)
        return
    # For each: CALL(gas, address, 1000, nothing), POP
    calls = b"".join(
        bytes.fromhex("5f5f5f5f6103e873") + address + bytes.fromhex("5af150") for address in addresses
    )
    assert stage.chain.send(b"", calls, by=stage.owner, gas=GAS_CAP, value=1_000 * len(addresses)).ok


def read() -> Any:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    write(all_figures())
