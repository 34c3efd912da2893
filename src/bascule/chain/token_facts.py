"""What a token contract says of itself: code, decimals, name, symbol, signing domain."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import data
from bascule.domain.chain import Address, ChainId
from bascule.domain.hashing import keccak

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """stands: there is code. decimals, domain: None where the contract does not say; texts are empty then."""

    stands: bool
    decimals: int | None
    name: str
    symbol: str
    domain: bytes | None


async def read(rpc: Caller, contract: Address) -> TokenFacts:
    """The facts at the node's newest block. Raises as `Caller.call`."""
    code = await rpc.call_as(str, "eth_getCode", "0x" + contract.hex(), "latest")
    if code == "0x":
        return TokenFacts(False, None, "", "", None)
    decimals = await _ask(rpc, contract, "decimals()")
    domain = await _ask(rpc, contract, "DOMAIN_SEPARATOR()")
    return TokenFacts(
        stands=True,
        decimals=int.from_bytes(decimals, "big") if len(decimals) == 32 else None,
        name=_text(await _ask(rpc, contract, "name()")),
        symbol=_text(await _ask(rpc, contract, "symbol()")),
        domain=domain if len(domain) == 32 else None,
    )


def domain_separator(name: str, version: str, chain_id: ChainId, token: Address) -> bytes:
    """EIP-712's hash of the domain under which a token's holders sign (EIP-2612, EIP-3009)."""
    types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    values = [_DOMAIN, keccak(name.encode()), keccak(version.encode()), chain_id, token]
    return keccak(encode(types, values))


def _text(answer: bytes) -> str:
    """ERC-20 leaves name and symbol to the token, and some of the oldest answer other types."""
    try:
        return str(decode(["string"], answer)[0]).strip()
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""


async def _ask(rpc: Caller, contract: Address, view: str) -> bytes:
    call = {"to": "0x" + contract.hex(), "data": "0x" + keccak(view.encode())[:4].hex()}
    try:
        answer = await rpc.call_as(str, "eth_call", call, "latest")
    except RpcError as error:
        if error.says is not NodeSays.REVERTED and error.data is None:
            raise
        return b""
    return b"" if answer == "0x" else data(answer, method="eth_call")
