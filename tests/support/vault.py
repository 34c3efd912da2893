"""A vault on stage with its roles, and batches written by hand: an oracle beside the product's encoding."""

from dataclasses import dataclass
from typing import Any

from bascule.domain.hashing import keccak
from tests.support.contracts import GAS, Chain, Contract, Receipt

LANE = 7
WINDOW = 86_400
LIMIT = 10**12
FLOAT = 10**13
FOREVER = 2**64 - 1
ZERO = bytes(32)


def word_of(lane: int, number: int = 0) -> int:
    return lane << 216 | number


def item(index: int, amount: int, payee: bytes) -> int:
    return index << 248 | amount << 160 | int.from_bytes(payee, "big")


def tag(number: int) -> bytes:
    return keccak(b"tag%d" % number)[:16]


def payee(number: int) -> bytes:
    return keccak(b"payee%d" % number)[12:]


def selector_of(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def pay_calldata(
    token: bytes, lane: int, head: bytes, word: int, items: list[int], tags: list[bytes], deadline: int
) -> bytes:
    """`pay` as contracts/README.md lays it out, byte by byte."""

    def number(value: int) -> bytes:
        return value.to_bytes(32, "big")

    return b"".join(
        [
            bytes.fromhex("15e16eb6"),
            bytes(12) + token, number(lane), head, number(word),
            number(0xE0), number(0x100 + 32 * len(items)), number(deadline),
            number(len(items)), *map(number, items),
            number(len(tags)), *(one + bytes(16) for one in tags),
        ]
    )  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A funded vault, its token and the accounts around it."""

    chain: Chain
    vault: Contract
    token: Contract
    owner: bytes
    operator: bytes
    guardian: bytes
    canceller: bytes
    treasury: bytes
    stranger: bytes

    def batch(self, items: list[int], **changes: Any) -> tuple[Any, ...]:
        """The arguments of `pay` for these items, right unless changed."""
        lane = changes.get("lane", LANE)
        return (
            changes.get("token", self.token.address),
            lane,
            changes.get("head", self.vault.read("head", lane)),
            changes.get("word", word_of(lane)),
            items,
            changes.get("tags", [tag(i) for i in range(len(items))]),
            changes.get("deadline", FOREVER),
        )

    def pay(self, items: list[int], *, gas: int = GAS, **changes: Any) -> Receipt:
        """A batch that must be executed."""
        return self.vault.send(
            "pay", *self.batch(items, **changes), by=changes.get("by", self.operator), gas=gas
        )

    def refusal(self, items: list[int], *, gas: int = GAS, **changes: Any) -> tuple[Any, ...] | None:
        """The error a batch ends with."""
        return self.vault.refusal(
            "pay", *self.batch(items, **changes), by=changes.get("by", self.operator), gas=gas
        )

    def held(self, account: bytes, token: Contract | None = None) -> int:
        balance: int = (token or self.token).read("balanceOf", account)
        return balance

    def quirk(self, name: str) -> Contract:
        """A token of `contracts/src/quirks`, in the vault's float and under its limit."""
        token = self.chain.deploy(f"quirks/{name}")
        token.send("mint", self.vault.address, FLOAT, by=self.owner)
        self.vault.send("setLimit", token.address, LIMIT, WINDOW, by=self.owner)
        return token


def stage_on(chain: Chain) -> Stage:
    owner, operator, guardian, canceller, treasury, stranger = chain.accounts[:6]
    vault = chain.deploy("PayoutVault", owner, treasury, guardian, canceller)
    token = chain.deploy("TestDollar", "Test Dollar", "TUSD", owner)
    token.send("mint", vault.address, FLOAT, by=owner)
    vault.send("setLane", LANE, operator, by=owner)
    vault.send("setLimit", token.address, LIMIT, WINDOW, by=owner)
    return Stage(chain, vault, token, owner, operator, guardian, canceller, treasury, stranger)
