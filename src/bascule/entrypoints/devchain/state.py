"""The methods that need the EVM: accounts, code, storage, calls, estimates and sending."""

from typing import Any

from eth_typing import Address

from bascule.entrypoints.devchain import calls, encode, params
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import invalid_params
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.reads import Reads


class StateReads:
    """Each answer is computed at one block that is resolved before the EVM is asked."""

    def __init__(self, chain: LocalChain, reads: Reads, miner: Miner) -> None:
        self._chain = chain
        self._miner = miner
        self._reads = reads

    async def balance(self, account: object, selector: object = "latest") -> str:
        """eth_getBalance."""
        address, at = params.address(account), self._reads.existing_block(selector).hash
        return hex((await self._chain.evm(lambda evm: evm.account(at, address))).balance)

    async def transaction_count(self, account: object, selector: object = "latest") -> str:
        """eth_getTransactionCount; `pending` counts the sender's waiting transactions up to the first gap."""
        address, at = params.address(account), self._reads.existing_block(selector).hash
        # the pool is asked at the head's moment: while the EVM answers, a block may take what waits
        waiting = self._chain.pool.next_nonce(address, 0) if selector == "pending" else 0
        return hex(max(waiting, (await self._chain.evm(lambda evm: evm.account(at, address))).nonce))

    async def code(self, account: object, selector: object = "latest") -> str:
        """eth_getCode."""
        address, at = Address(params.address(account)), self._reads.existing_block(selector).hash
        return encode.data(await self._chain.evm(lambda evm: evm.state(at).get_code(address)))

    async def storage(self, account: object, slot: object, selector: object = "latest") -> str:
        """eth_getStorageAt."""
        address, at = Address(params.address(account)), self._reads.existing_block(selector).hash
        place = params.quantity(slot, "storage slot")
        return encode.word(await self._chain.evm(lambda evm: evm.state(at).get_storage(address, place)))

    async def call(self, message: object, selector: object = "latest", overrides: object = None) -> str:
        """eth_call."""
        wanted, at = params.message(message), self._reads.existing_block(selector).hash
        _no_overrides(overrides)
        return encode.data(await self._chain.evm(lambda evm: calls.call(evm, at, wanted)))

    async def estimate(self, message: object, selector: object = "latest", overrides: object = None) -> str:
        """eth_estimateGas."""
        wanted, at = params.message(message), self._reads.existing_block(selector).hash
        _no_overrides(overrides)
        return hex(await self._chain.evm(lambda evm: calls.estimate(evm, at, wanted)))

    async def send_raw(self, raw: object) -> str:
        """eth_sendRawTransaction."""
        tx_hash = await self._chain.send(params.data(raw, "transaction"))
        await self._miner.accepted(tx_hash)
        return encode.data(tx_hash)


def _no_overrides(value: Any) -> None:
    if value:
        raise invalid_params("state overrides are not supported by this chain")
