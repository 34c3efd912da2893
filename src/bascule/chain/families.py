"""How chains spell the headers and receipts that they hash, as data: one family for each way.

A family says which members of a block's JSON its hash covers and in which order, what a receipt holds beyond
Ethereum's four members, which logs stand outside the receipts' root, and when a header's roots speak of other
blocks. A chain that nobody listed is read as Ethereum's: where a hash comes out right the reading is proven
right; where it does not, nothing is proven and the chain is taken on the agreement of nodes. And it says at
which depth its blocks are not taken back any more, for those who count blocks instead of asking for a tag,
and how long its silence means nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bascule.domain.chain import ChainId, Hash
from bascule.domain.hashing import keccak

# core/types/block.go of go-ethereum: the members of a header in the order of its RLP. What is written as a
# number there is a number here; the rest is bytes.
_ETHEREUM = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom",
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce",
)  # fmt: skip
_ETHEREUM_LATER = (
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot",
    "requestsHash", "blockAccessListHash", "slotNumber",
)  # fmt: skip
# customtypes/header_ext.go of avalanchego.
_AVALANCHE_LATER = (
    "baseFeePerGas", "extDataGasUsed", "blockGasCost", "blobGasUsed", "excessBlobGas",
    "parentBeaconBlockRoot", "timestampMilliseconds", "minDelayExcess", "targetExponent", "minPriceExponent",
    "settledHeight", "settledGasUnix", "settledGasNumerator", "settledExcess",
)  # fmt: skip
NUMBERS = frozenset((
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed",
    "excessBlobGas", "slotNumber", "extDataGasUsed", "blockGasCost", "timestampMilliseconds",
    "minDelayExcess", "targetExponent", "minPriceExponent", "settledHeight", "settledGasUnix",
    "settledGasNumerator", "settledExcess",
))  # fmt: skip
# core/types/receipt.go of op-geth: a deposit's receipt covers nonce and version since Canyon. Nodes show the
# nonce of older ones too, which their root does not cover; the version is what tells them apart.
_OP_DEPOSIT = 0x7E


@dataclass(frozen=True)
class Family:
    """One way to spell headers and receipts.

    first, later: members of a header, those every block has and those that forks added behind them;
    receipt_tails: type of a transaction → members behind its receipt's four, covered when the last is there;
    pseudo_receipt: prefix of the name of a receipt that is shown but in no root (see `outside`);
    elsewhere: a member whose presence says that root and bloom speak of other blocks than this one;
    least_depth: blocks that must stand on a final one where depth is to say what is final;
    quiet_s: seconds without a new block that a sound chain may show; beyond, its nodes stand still;
    least_tip: wei per gas below which its nodes take nothing; takes_tips: whether a tip is paid at all;
    data_oracle: contract that tells what a rollup takes for a transaction's data beside its gas;
    data_gas_oracle: contract that tells how much gas it takes for the data, within the transaction's limit.
    """

    name: str
    first: tuple[str, ...] = _ETHEREUM
    later: tuple[str, ...] = _ETHEREUM_LATER
    receipt_tails: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    pseudo_receipt: bytes | None = None
    elsewhere: str | None = None
    least_depth: int = 64  # two epochs of 32 slots, after which Ethereum itself calls a block final
    quiet_s: float = 60.0  # five slots of twelve seconds; quicker chains wait for transactions now and then
    least_tip: int = 0
    takes_tips: bool = True
    data_oracle: str | None = None
    data_gas_oracle: str | None = None


# The order of a rollup is final when its data is in a final block of Ethereum, some 15 minutes later: 450
# blocks of two seconds, 3,600 of a quarter (specs.optimism.io "finalized"; docs.arbitrum.io "hard finality").
ETHEREUM = Family("ethereum")
OP_STACK = Family(
    "op-stack",
    receipt_tails={_OP_DEPOSIT: ("depositNonce", "depositReceiptVersion")},
    least_depth=450,
    data_oracle="0x420000000000000000000000000000000000000F",  # specs.optimism.io "predeploys"
)
# Types 0x64 to 0x6a have receipts of the usual four members. Its sequencer takes no tips (docs.arbitrum.io,
# "gas and fees"). Its nodes answer for a contract that stands nowhere (docs.arbitrum.io, "NodeInterface").
ARBITRUM = Family(
    "arbitrum",
    least_depth=3_600,
    takes_tips=False,
    data_gas_oracle="0x00000000000000000000000000000000000000C8",
)
# bor until block 80,084,800 of the main network: the logs of bridged messages stand in no root. Afterwards
# they are a transaction of their own, under another name.
# Reorgs of more than a hundred blocks were seen before milestones; exchanges waited for 256.
# Its nodes take no tip below 25 gwei (docs.polygon.technology, bor's `txpool.pricelimit`).
POLYGON = Family("polygon", pseudo_receipt=b"matic-bor-receipt-", least_depth=256, least_tip=25 * 10**9)
# Blocks that execute later than they are ordered (ACP-194) carry the roots of the blocks they settle.
# Nodes show accepted blocks alone, which are final.
AVALANCHE = Family(
    "avalanche",
    first=(*_ETHEREUM, "extDataHash"),
    later=_AVALANCHE_LATER,
    elsewhere="settledHeight",
    least_depth=0,
)
# Chain ids of anvil, hardhat and our own local chain, and of geth --dev: no money is real there.
DEVELOPMENT = (31_337, 1_337)

FAMILIES: Mapping[ChainId, Family] = {
    1: ETHEREUM, 11_155_111: ETHEREUM, 17_000: ETHEREUM, 560_048: ETHEREUM,
    56: ETHEREUM, 97: ETHEREUM,  # BNB Smart Chain and its test network
    10: OP_STACK, 11_155_420: OP_STACK, 8453: OP_STACK, 84_532: OP_STACK,
    42_161: ARBITRUM, 421_614: ARBITRUM,
    137: POLYGON, 80_002: POLYGON,
    43_114: AVALANCHE, 43_113: AVALANCHE,
    31_337: ETHEREUM,  # local chains
}  # fmt: skip


def of(chain_id: ChainId) -> Family | None:
    """The chain's family; None when nobody listed the chain."""
    return FAMILIES.get(chain_id)


def least_depth(chain_id: ChainId) -> int:
    """The smallest depth that may make a block final there; what nobody listed is taken for Ethereum."""
    return 0 if chain_id in DEVELOPMENT else (of(chain_id) or ETHEREUM).least_depth


def quiet_s(chain_id: ChainId) -> float | None:
    """How long the chain may be silent; None where blocks come on demand, or nobody knows."""
    family = of(chain_id)
    return None if chain_id in DEVELOPMENT or family is None else family.quiet_s


def outside(family: Family | None, number: int, block_hash: Hash) -> Hash | None:
    """The transaction under whose name this block shows logs that neither its root nor its bloom covers."""
    if family is None or family.pseudo_receipt is None:
        return None
    return Hash(keccak(family.pseudo_receipt + number.to_bytes(8, "big") + block_hash))
