"""Where our contracts will stand, and the calldata that puts them there: plans only, nothing is sent.

Every deployment goes through one well-known proxy that stands at the same address on each EVM chain, so that
an address depends on the salt, the code and the constructor arguments alone.
Source: the proxy is Arachnid's deterministic-deployment-proxy; its calldata is salt ‖ creation code.
"""

from dataclasses import dataclass, field

from bascule.chain.abi import Artifact, artifact
from bascule.domain.chain import ZERO_HASH, Address, Hash, address
from bascule.domain.forwarder import create2
from bascule.domain.hashing import keccak

PROXY = address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c"))

# The 69 bytes that stand at PROXY; a chain that has others there, or none, cannot be deployed to.
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract that is to stand at `address`; `calldata` sent to PROXY puts it there once."""

    artifact: Artifact
    salt: Hash
    init_code: bytes = field(repr=False)
    address: Address

    @property
    def calldata(self) -> bytes:
        """What the transaction to PROXY carries. The same again fails there, so look for code first."""
        return self.salt + self.init_code


@dataclass(frozen=True, slots=True)
class Roles:
    """The accounts the contracts are born with; equal on every chain, or the addresses differ.

    owner: hands over later, in two steps. treasury: the only place the vault's float is withdrawn to.
    collector_delay_s: seconds a change of collector waits, 0 on local chains only.
    """

    owner: Address
    treasury: Address
    guardian: Address
    canceller: Address
    collector_delay_s: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What one chain needs."""

    factory: Deployment
    vault: Deployment


def plan(roles: Roles, *, salt: Hash = ZERO_HASH, vault_salt: Hash | None = None) -> Plan:
    """The factory and the vault for these roles. Another salt gives another pair of addresses.

    vault_salt: of the vault alone, which then stands elsewhere beside the same factory.
    """
    of_vault = salt if vault_salt is None else vault_salt
    return Plan(
        factory=deployment("DepositFactory", roles.owner, roles.collector_delay_s, salt=salt),
        vault=deployment(
            "PayoutVault", roles.owner, roles.treasury, roles.guardian, roles.canceller, salt=of_vault
        ),
    )


def plan_token(name: str, symbol: str, owner: Address, *, salt: Hash = ZERO_HASH) -> Deployment:
    """A test dollar of this name whose issuer is `owner`; for local and test chains."""
    return deployment("TestDollar", name, symbol, owner, salt=salt)


def deployment(contract: str, *arguments: object, salt: Hash = ZERO_HASH) -> Deployment:
    """Where `contract` with these constructor arguments stands, and what puts it there."""
    compiled = artifact(contract)
    init_code = compiled.init_code(*arguments)
    return Deployment(compiled, salt, init_code, create2(PROXY, salt, keccak(init_code)))
