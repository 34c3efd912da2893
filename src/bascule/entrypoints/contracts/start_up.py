"""What a process asks before it trusts a contract: that its code is ours and stands where we were told."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain import deployed
from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.entrypoints.wiring import Unfit
from bascule.settings.contracts import Deployed
from bascule.storage.networks import Network

REMEDY = "run `bascule contracts verify`; use the version that was deployed, or correct the addresses"


async def require_contracts(known: Sequence[Deployed], rpc: Caller, network: Network) -> None:
    """Returns when what the network serves and what the configuration knows there has our code.

    Raises: Unfit, ForeignCode, or as `Caller.batch`.
    """
    served = {
        "PayoutVault": network.vault,
        "DepositFactory": network.deposit_factory,
        "DepositForwarder": network.forwarder,
    }
    expected = {address: contract for contract, address in served.items() if address is not None}
    for each in known:
        if each.chain != network.chain_id:
            continue
        if each.code_hash != artifact(each.contract).code_hash:
            raise Unfit(f"the configuration has other code for {each} than abi/ of this version", REMEDY)
        if served.get(each.contract) not in (None, each.address):
            raise Unfit(f"the database serves another {each.contract} than the configuration: {each}", REMEDY)
        expected[each.address] = each.contract
    await deployed.require_code(rpc, expected)
