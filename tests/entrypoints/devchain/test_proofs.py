"""eth_getProof: whoever holds a block's state root can check an account and its storage."""

from typing import Any

import pytest
import rlp
from trie import HexaryTrie

from bascule.domain.hashing import keccak
from tests.support.blocks import raw
from tests.support.chain import LocalNode, RpcFailure, deploy_dollar

EMPTY_CODE = "0x" + keccak(b"").hex()


def proven(root: str, key: bytes, nodes: list[str]) -> bytes:
    """What the trie of that root holds under the key, by the proof alone; fails if the proof does not."""
    return bytes(HexaryTrie.get_from_proof(raw(root), keccak(key), [rlp.decode(raw(node)) for node in nodes]))


def account_fields(proof: dict[str, Any]) -> bytes:
    nonce, balance = (
        rlp.sedes.big_endian_int.serialize(int(proof[name], 16)) for name in ("nonce", "balance")
    )
    return bytes(rlp.encode([nonce, balance, raw(proof["storageHash"]), raw(proof["codeHash"])]))


async def test_account_and_storage_are_proven_against_the_state_root(node: LocalNode) -> None:
    owner = node.accounts[0].address
    token = await deploy_dollar(node, node.accounts[0])
    await node.dev.mine()
    for at in ("0x1", "latest", "pending"):
        root = (await node.rpc("eth_getBlockByNumber", at))["stateRoot"]
        for address in (owner, token):
            slots = [hex(slot) for slot in range(10)]
            proof = await node.rpc("eth_getProof", address, slots, at)

            assert proven(root, raw(address), proof["accountProof"]) == account_fields(proof)
            assert proof["balance"] == await node.rpc("eth_getBalance", address, at)
            for entry in proof["storageProof"]:
                word = await node.rpc("eth_getStorageAt", address, entry["key"], at)
                assert int(entry["value"], 16) == int(word, 16)
                if address == token:
                    stored = proven(
                        proof["storageHash"], int(entry["key"], 16).to_bytes(32, "big"), entry["proof"]
                    )
                    assert int.from_bytes(rlp.decode(stored) if stored else b"", "big") == int(word, 16)
        assert any(entry["value"] != "0x0" for entry in proof["storageProof"])


async def test_account_that_does_not_exist_is_proven_absent(node: LocalNode) -> None:
    proof = await node.rpc("eth_getProof", "0x" + "99" * 20, ["0x1"], "latest")

    root = (await node.rpc("eth_getBlockByNumber", "latest"))["stateRoot"]
    assert proven(root, bytes([0x99] * 20), proof["accountProof"]) == b""
    assert (proof["balance"], proof["nonce"], proof["codeHash"]) == ("0x0", "0x0", EMPTY_CODE)
    assert proof["storageProof"] == [{"key": "0x1", "value": "0x0", "proof": []}]


async def test_wrong_keys_are_invalid_params(node: LocalNode) -> None:
    for keys in ("0x1", ["zz"], ["0x1"] * 1_025):
        with pytest.raises(RpcFailure) as caught:
            await node.rpc("eth_getProof", node.accounts[0].address, keys, "latest")
        assert caught.value.code == -32602
