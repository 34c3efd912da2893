"""What is to stand on one chain, as the configuration says; what cannot is refused without asking a node."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.chain import deployment
from bascule.chain.deployment import Deployment
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.forwarder import implementation_address
from bascule.entrypoints import wiring
from bascule.entrypoints.wiring import BadConfiguration, ChainSettings, Settings
from bascule.settings.contracts import ChainContracts, ContractsSettings

# Chains whose CREATE2 hashes another prefix and whose code is no EVM bytecode: the proxy's addresses do not
# exist there, and deposit addresses shown to customers could never be deployed.
# Source: ZKsync documentation, "EVM differences" (CREATE2) and its list of Elastic Network chains.
ZKSYNC_STYLE = {
    232: "Lens Chain",
    300: "ZKsync Sepolia",
    320: "ZKcandy",
    324: "ZKsync Era",
    325: "GRVT",
    375: "zkXPLA",
    388: "Cronos zkEVM",
    1_345: "OpenZK",
    2_741: "Abstract",
    11_124: "Abstract Testnet",
    36_900: "ADI Network",
    37_111: "Lens Chain Testnet",
    50_104: "Sophon",
    51_888: "Memento ZK Chain",
    61_166: "Treasure",
    543_210: "ZERO Network",
}


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The contracts of one chain and their roles."""

    chain_id: int
    name: str
    birth: ContractsSettings
    roles: ChainContracts
    factory: Deployment
    vault: Deployment
    dollars: tuple[Deployment, ...]

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """In the order they are deployed."""
        return (self.factory, self.vault, *self.dollars)

    @property
    def forwarder(self) -> Address:
        """What the deposit addresses are clones of; the factory's constructor puts it there."""
        return implementation_address(self.factory.address)

    @property
    def owner(self) -> Address:
        """Who owns vault and factory in the end."""
        return self.birth.owner.address if self.birth.owner else self.birth.deployer

    @property
    def standing(self) -> dict[Address, str]:
        """Each address and the contract of `abi/` that must stand there."""
        made = {each.address: each.artifact.name for each in self.deployments}
        return {**made, self.forwarder: "DepositForwarder"}


def draw(settings: Settings, chain: str) -> Blueprint:
    """The blueprint of a chain, by its id or name. Raises: Rejected, BadConfiguration."""
    configured = _chain(settings, chain)
    birth: ContractsSettings = settings.need("contracts")
    if configured.contracts is None:
        raise BadConfiguration(
            "BASCULE_CHAINS",
            f"says nothing of the contracts of chain {configured.id}",
            '[chains.contracts] with collector = "0x…" (docs/operating/contracts.md)',
        )
    if configured.id not in wiring.DEVELOPMENT_CHAINS:
        _refuse_what_is_for_development(birth, configured)
    planned = deployment.plan(
        deployment.Roles(
            birth.deployer, birth.treasury, birth.guardian, birth.canceller, birth.collector_delay_s
        ),
        salt=birth.salt,
        vault_salt=configured.contracts.vault_salt,
    )
    ours = {planned.vault.address: "the vault", planned.factory.address: "the deposit factory"}
    for role, account in (("collector", configured.contracts.collector), ("treasury", birth.treasury)):
        if account in ours:
            raise BadConfiguration(
                role, f"is {ours[account]}, {checksum(account)}: the money would be stuck", 'a wallet: "0x…"'
            )
    dollars = tuple(
        deployment.plan_token(name, symbol, birth.deployer, salt=birth.salt)
        for name, symbol in configured.contracts.test_dollars
    )
    return Blueprint(
        configured.id, configured.name, birth, configured.contracts, planned.factory, planned.vault, dollars
    )


def _chain(settings: Settings, chain: str) -> ChainSettings:
    found = next((each for each in settings.chains if chain in (str(each.id), each.name)), None)
    chain_id = found.id if found else int(chain) if chain.isascii() and chain.isdigit() else 0
    if chain_id in ZKSYNC_STYLE:
        raise Rejected(
            "chain_unsupported",
            f"{ZKSYNC_STYLE[chain_id]} ({chain_id}) computes CREATE2 addresses the ZKsync way: "
            "vault, factory and deposit addresses would be others than on every other chain",
            param="chain",
            next_step="serve another chain",
        )
    if found is None:
        known = ", ".join(f"{each.id} ({each.name})" for each in settings.chains) or "none"
        raise Rejected(
            "chain_unknown",
            f"there is no chain {chain} in the configuration",
            param="chain",
            next_step=f"chains there: {known}; add [[chains]] to the file that BASCULE_CONFIG names",
        )
    return found


def _refuse_what_is_for_development(birth: ContractsSettings, chain: ChainSettings) -> None:
    if birth.owner is None:
        raise BadConfiguration(
            "contracts.owner",
            f"is not set, and a key must not own the float of chain {chain.id}",
            'owner = { address = "0x…", owners = ["0x…", "0x…", "0x…"], threshold = 2 }',
        )
    if birth.collector_delay_s == 0:
        raise BadConfiguration(
            "contracts.collector_delay_s",
            f"is 0, which is for development chains alone, not for chain {chain.id}",
            "collector_delay_s = 172800",
        )
