"""The methods by name, and how one request of any shape is answered."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.control import Controls
from bascule.entrypoints.devchain.errors import METHOD_NOT_FOUND, RpcError, invalid_params
from bascule.entrypoints.devchain.faults.armed import Faults
from bascule.entrypoints.devchain.faults.controls import fault_controls
from bascule.entrypoints.devchain.filters import Filters
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.reads import Reads
from bascule.entrypoints.devchain.state import StateReads
from bascule.entrypoints.devchain.txpool import PoolReads


class Method(NamedTuple):
    """A handler and the least and greatest number of its parameters."""

    handler: Callable[..., Any]
    least: int
    most: int

    async def call(self, arguments: list[Any]) -> Any:
        """Returns its result; raises `RpcError` for a wrong number of arguments or when it refuses."""
        if len(arguments) < self.least:
            raise invalid_params(f"missing value for required argument {len(arguments)}")
        if len(arguments) > self.most:
            raise invalid_params(f"too many arguments, want at most {self.most}")
        answer = self.handler(*arguments)
        return await answer if inspect.isawaitable(answer) else answer


class Methods:
    """Every method the chain answers; `faults` are those the server bends answers by."""

    def __init__(self, chain: LocalChain, miner: Miner) -> None:
        self.faults = Faults()
        self.feed = chain.feed
        reads = Reads(chain)
        handlers = (
            _reads(reads)
            | _state(StateReads(chain, reads, miner))
            | _pool(PoolReads(chain))
            | _filters(Filters(chain, reads))
            | _controls(Controls(chain, miner))
            | fault_controls(self.faults)
        )
        self._methods = {name: described(handler) for name, handler in handlers.items()}

    async def call(self, name: str, arguments: list[Any]) -> Any:
        """Returns a method's result; raises `RpcError` when there is no such method or it refuses."""
        method = self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
        return await method.call(arguments)


def _reads(reads: Reads) -> dict[str, Callable[..., Any]]:
    return {
        "eth_accounts": reads.accounts,
        "eth_blobBaseFee": reads.blob_base_fee,
        "eth_blockNumber": reads.block_number,
        "eth_chainId": reads.chain_id,
        "eth_feeHistory": reads.fee_history,
        "eth_gasPrice": reads.gas_price,
        "eth_getBlockByHash": reads.block_by_hash,
        "eth_getBlockByNumber": reads.block_by_number,
        "eth_getBlockReceipts": reads.block_receipts,
        "eth_getBlockTransactionCountByHash": reads.count_by_hash,
        "eth_getBlockTransactionCountByNumber": reads.count_by_number,
        "eth_getLogs": reads.logs,
        "eth_getRawTransactionByHash": reads.raw_transaction,
        "eth_getTransactionByBlockHashAndIndex": reads.transaction_by_block,
        "eth_getTransactionByBlockNumberAndIndex": reads.transaction_by_number,
        "eth_getTransactionByHash": reads.transaction,
        "eth_getTransactionReceipt": reads.receipt,
        "eth_maxPriorityFeePerGas": reads.max_priority_fee,
        "eth_syncing": reads.syncing,
        "net_version": reads.net_version,
        "web3_clientVersion": reads.client_version,
    }


def _state(state: StateReads) -> dict[str, Callable[..., Any]]:
    return {
        "eth_call": state.call,
        "eth_estimateGas": state.estimate,
        "eth_getBalance": state.balance,
        "eth_getCode": state.code,
        "eth_getProof": state.proof,
        "eth_getStorageAt": state.storage,
        "eth_getTransactionCount": state.transaction_count,
        "eth_sendRawTransaction": state.send_raw,
    }


def _filters(filters: Filters) -> dict[str, Callable[..., Any]]:
    return {
        "eth_getFilterChanges": filters.changes,
        "eth_getFilterLogs": filters.logs,
        "eth_newBlockFilter": filters.new_blocks,
        "eth_newFilter": filters.new_logs,
        "eth_newPendingTransactionFilter": filters.new_pending,
        "eth_subscribe": _needs_a_connection,
        "eth_uninstallFilter": filters.uninstall,
        "eth_unsubscribe": _needs_a_connection,
    }


def _needs_a_connection(what: object = None, option: object = None) -> None:
    raise RpcError(METHOD_NOT_FOUND, "notifications not supported")


def _pool(pool: PoolReads) -> dict[str, Callable[..., Any]]:
    return {
        "txpool_content": pool.content,
        "txpool_contentFrom": pool.content_from,
        "txpool_inspect": pool.inspect,
        "txpool_status": pool.status,
    }


def _controls(control: Controls) -> dict[str, Callable[..., Any]]:
    return {
        "bascule_dropTransaction": control.drop_transaction,
        "bascule_reorg": control.reorg,
        "bascule_setBaseFee": control.set_base_fee,
        "bascule_setFinality": control.set_finality,
        "evm_increaseTime": control.increase_time,
        "evm_mine": control.mine,
        "evm_revert": control.revert,
        "evm_setAutomine": control.set_automine,
        "evm_setIntervalMining": control.set_interval_mining,
        "evm_snapshot": control.snapshot,
    }


def described(handler: Callable[..., Any]) -> Method:
    """Returns a handler as a method; its signature says how many parameters it takes."""
    parameters = inspect.signature(handler).parameters.values()
    least = sum(parameter.default is parameter.empty for parameter in parameters)
    return Method(handler, least, len(parameters))
