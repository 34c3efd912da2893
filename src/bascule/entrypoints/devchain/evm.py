"""The EVM: executes transactions on a parent block and reads state at any block.

Knows no canonical chain: a block is built on whichever parent it is given, which is what makes reorgs,
snapshots and restarts cheap. Not thread-safe; `chain.LocalChain` keeps it on one worker thread.
"""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import rlp  # type: ignore[import-untyped]
from eth._utils.address import generate_contract_address
from eth.db.trie import make_trie_root_and_nodes
from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas
from eth_typing import Address, Hash32
from eth_utils.exceptions import ValidationError

from bascule.entrypoints.devchain import encode
from bascule.entrypoints.devchain.genesis import genesis_chain
from bascule.entrypoints.devchain.ordering import ByPrice
from bascule.entrypoints.devchain.records import Block, Transaction

if TYPE_CHECKING:
    from eth.abc import ReceiptAPI, SignedTransactionAPI, StateAPI


class Built(NamedTuple):
    """A new block and the waiting transactions that can never be mined on top of it."""

    block: Block
    refused: tuple[bytes, ...]


class Account(NamedTuple):
    """An account's nonce and balance (wei)."""

    nonce: int
    balance: int


class Evm:
    """Prague rules over a database in memory."""

    def __init__(self, chain_id: int, genesis_time: int) -> None:
        self.chain, self.nodes = genesis_chain(chain_id, genesis_time)
        head = self.chain.get_canonical_head()
        size = len(rlp.encode([rlp.infer_sedes(head).serialize(head), [], [], []]))
        self.genesis = _record(head, size, ())

    def header(self, block_hash: bytes) -> encode.Header:
        """Returns the header of any block ever built here."""
        return self.chain.chaindb.get_block_header_by_hash(Hash32(block_hash))

    def state(self, block_hash: bytes) -> "StateAPI":
        """Returns a throw-away view of the state after that block."""
        return self.chain.get_vm(self.header(block_hash)).state

    def account(self, block_hash: bytes, address: bytes) -> Account:
        """Returns an account as it stands after that block."""
        return self.accounts(block_hash, (address,))[address]

    def accounts(self, block_hash: bytes, addresses: Iterable[bytes]) -> dict[bytes, Account]:
        """Returns accounts as they stand after that block."""
        state = self.state(block_hash)
        return {
            address: Account(state.get_nonce(Address(address)), state.get_balance(Address(address)))
            for address in addresses
        }

    def decode(self, raw: bytes) -> "SignedTransactionAPI":
        """Returns the transaction of its wire bytes; raises whatever the decoder raises on nonsense."""
        return self.chain.get_vm_class_for_block_number(0).get_transaction_builder().decode(raw)  # type: ignore[arg-type]

    def build(
        self,
        parent_hash: bytes,
        waiting: Sequence["SignedTransactionAPI"],
        timestamp: int,
        base_fee: int | None = None,
    ) -> Built:
        """Executes what fits and pays of `waiting`, given in order of arrival, on top of the parent.

        Nothing becomes canonical. A transaction that cannot be paid, or whose nonce is spent, is `refused`;
        one that is too cheap for now, too big for the room left or behind a gap is left out of both.
        base_fee: wei, instead of what EIP-1559 makes of the parent.
        """
        parent = self.header(parent_hash)
        head = self.chain.create_header_from_parent(parent, timestamp=timestamp, mix_hash=os.urandom(32))
        if base_fee is not None:
            head = head.copy(base_fee_per_gas=base_fee)
        vm = self.chain.get_vm(head)
        done: list[tuple[SignedTransactionAPI, ReceiptAPI]] = []
        refused: list[bytes] = []
        due: Any = head.base_fee_per_gas
        offers = ByPrice(waiting, due)
        while (tx := offers.best()) is not None:
            nonce = vm.state.get_nonce(tx.sender)
            room = head.gas_limit - head.gas_used
            if tx.nonce < nonce:
                refused.append(tx.hash)
                offers.taken()
            elif tx.nonce > nonce or tx.gas > room or tx.max_fee_per_gas < due:
                offers.set_aside()
            else:
                try:
                    receipt, _ = vm.apply_transaction(head, tx)
                except ValidationError:
                    refused.append(tx.hash)
                    offers.set_aside()
                    continue
                head = vm.add_receipt_to_header(head, receipt)
                done.append((tx, receipt))
                offers.taken()
        vm.state.persist()
        transactions = [tx for tx, _ in done]
        head = head.copy(
            state_root=vm.state.state_root,
            transaction_root=make_trie_root_and_nodes(transactions)[0],
            receipt_root=make_trie_root_and_nodes([receipt for _, receipt in done])[0],
        )
        raw_header = rlp.encode(head)
        self.chain.chaindb.db.set(head.hash, raw_header)
        block = vm.get_block().copy(header=head, transactions=transactions)
        return Built(_record(head, len(rlp.encode(block)), done), tuple(refused))


def _record(
    head: encode.Header, size: int, done: Sequence[tuple["SignedTransactionAPI", "ReceiptAPI"]]
) -> Block:
    records: list[Transaction] = []
    cumulative = log_index = 0
    for position, (tx, result) in enumerate(done):
        gas_used, cumulative = result.gas_used - cumulative, result.gas_used
        created = None if tx.to else generate_contract_address(tx.sender, tx.nonce)
        logs = encode.logs(result, tx.hash, head, position, log_index)
        log_index += len(logs)
        records.append(
            Transaction(
                hash=tx.hash,
                sender=tx.sender,
                nonce=tx.nonce,
                raw=tx.encode(),
                tip=encode.gas_price(tx, head.base_fee_per_gas) - head.base_fee_per_gas,
                gas_used=gas_used,
                json=msgspec.json.encode(encode.transaction(tx, head, position)),
                receipt=encode.open_json(encode.receipt(tx, result, head, position, gas_used, created)),
                logs=logs,
            )
        )
    return Block(
        number=head.block_number,
        hash=head.hash,
        parent=head.parent_hash,
        time=head.timestamp,
        base_fee=head.base_fee_per_gas,
        next_base_fee=calculate_expected_base_fee_per_gas(head),
        gas_used=head.gas_used,
        gas_limit=head.gas_limit,
        json=encode.open_json(encode.header(head, size)),
        transactions=tuple(records),
    )
