"""One fact about our contracts on a chain: what is expected, what is found, and who can make them agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.chain.abi import artifact
from bascule.chain.deployment import PROXY, Deployment
from bascule.domain.chain import ZERO_ADDRESS, Address, checksum

MISSING = "missing"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Step:
    """A transaction that changes a fact. deploys: what it puts on the chain, if it does."""

    what: str
    sender: Address
    to: Address
    data: bytes
    deploys: Deployment | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One fact. step: what makes it true, None where no transaction does; remedy: what people do then."""

    contract: str
    address: Address
    subject: str
    expected: str
    found: str
    step: Step | None = None
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether the chain agrees with the configuration."""
        return self.found == self.expected

    def advice(self, deployer: Address) -> str:
        """What to do about it, empty when there is nothing."""
        if self.ok:
            return ""
        if self.step is None:
            return self.remedy
        if self.step.sender == deployer:
            return "run `bascule contracts deploy`"
        to, data = checksum(self.step.to), self.step.data.hex()
        return f"{checksum(self.step.sender)} sends {self.step.what}: to {to} data 0x{data}"


def deploying(planned: Deployment, sender: Address) -> Step:
    """The transaction that puts a contract on the chain."""
    return Step(f"deploy {planned.artifact.name}", sender, PROXY, planned.calldata, planned)


def calling(sender: Address, to: Address, contract: str, method: str, *arguments: Any) -> Step:
    """A call of one of our contracts."""
    told = ", ".join(shown(each) for each in arguments)
    what = f"{contract}.{method}({told})"
    return Step(what, sender, to, artifact(contract).calldata(method, *arguments))


def shown(value: Any) -> str:
    """A value as tables have it: addresses with their checksum, bytes in hex, nobody for the zero address."""
    if isinstance(value, bytes) and len(value) == 20:
        return NOBODY if value == ZERO_ADDRESS else checksum(Address(value))
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(shown(each) for each in value)
    return str(value)
