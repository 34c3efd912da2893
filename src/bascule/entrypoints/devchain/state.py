"""The methods that need the EVM: accounts, code, storage, calls, estimates and sending."""

from collections.abc import Callable
from typing import Any, TypeVar

from eth_typing import Address

from bascule.entrypoints.devchain import calls, encode, params, proofs
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import invalid_params
from bascule.entrypoints.devchain.evm import Evm
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.reads import Reads

T = TypeVar("T")


class StateReads:
    """Each answer is computed at one block that is resolved before the EVM is asked."""

    def __init__(self, chain: LocalChain, reads: Reads, miner: Miner) -> None:
        self._chain = chain
        self._miner = miner
        self._reads = reads

    async def balance(self, account: object, selector: object = "latest") -> str:
        """eth_getBalance."""
        address = params.address(account)
        return hex(await self._at(selector, lambda evm, at: evm.account(at, address).balance))

    async def transaction_count(self, account: object, selector: object = "latest") -> str:
        """eth_getTransactionCount; `pending` counts the sender's waiting transactions up to the first gap."""
        address, at = params.address(account), self._reads.existing_block(selector).hash
        # the pool is asked at the head's moment: while the EVM answers, a block may take what waits
        waiting = self._chain.pool.next_nonce(address, 0) if selector == "pending" else 0
        return hex(max(waiting, (await self._chain.evm(lambda evm: evm.account(at, address))).nonce))

    async def code(self, account: object, selector: object = "latest") -> str:
        """eth_getCode."""
        address = Address(params.address(account))
        return encode.data(await self._at(selector, lambda evm, at: evm.state(at).get_code(address)))

    async def storage(self, account: object, slot: object, selector: object = "latest") -> str:
        """eth_getStorageAt."""
        address, place = Address(params.address(account)), params.quantity(slot, "storage slot")
        return encode.word(
            await self._at(selector, lambda evm, at: evm.state(at).get_storage(address, place))
        )

    async def call(self, message: object, selector: object = "latest", overrides: object = None) -> str:
        """eth_call."""
        wanted = params.message(message)._replace(overrides=params.overrides(overrides))
        return encode.data(await self._at(selector, lambda evm, at: calls.call(evm, at, wanted)))

    async def estimate(self, message: object, selector: object = "latest", overrides: object = None) -> str:
        """eth_estimateGas."""
        wanted = params.message(message)._replace(overrides=params.overrides(overrides))
        return hex(await self._at(selector, lambda evm, at: calls.estimate(evm, at, wanted)))

    async def proof(self, account: object, keys: object, selector: object = "latest") -> dict[str, Any]:
        """eth_getProof: an account and slots of its storage, provable against the block's state root."""
        address = params.address(account)
        if not isinstance(keys, list) or len(keys) > proofs.MAX_KEYS:
            raise invalid_params(f"storage keys: a list of at most {proofs.MAX_KEYS} is needed")
        slots = [params.quantity(key, "storage key") for key in keys]
        return await self._at(selector, lambda evm, at: proofs.proof(evm, at, address, slots))

    async def _at(self, selector: object, work: Callable[[Evm, bytes], T]) -> T:
        """Runs `work` with the hash of the selected block; for `pending`, of the one that would come next."""
        if selector != "pending":
            at = self._reads.existing_block(selector).hash
            return await self._chain.evm(lambda evm: work(evm, at))
        preview = await self._chain.preview()

        def beside(evm: Evm) -> T:
            with evm.nodes.aside(preview.nodes):
                return work(evm, preview.block.hash)

        return await self._chain.evm(beside)

    async def send_raw(self, raw: object) -> str:
        """eth_sendRawTransaction."""
        tx_hash = await self._chain.send(params.data(raw, "transaction"))
        await self._miner.accepted(tx_hash)
        return encode.data(tx_hash)
