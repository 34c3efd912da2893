"""/v1/test_helpers: the sandbox. Only with test keys, on development chains, where no live key is."""

from __future__ import annotations

import re
from typing import Any

from bascule.domain.errors import NotFound
from bascule.entrypoints.api import lists
from bascule.entrypoints.api import sandbox_params as shapes
from bascule.entrypoints.api.effects import Outside
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.sandbox_params import (
    ChainDropTx,
    ChainGasSpike,
    ChainMine,
    ChainPauseRpc,
    ChainReorg,
    EventTrigger,
    FaultList,
    OnNetwork,
    SandboxBlacklist,
    SandboxFaucet,
    SandboxPay,
    TestClockAdvance,
)
from bascule.entrypoints.api.shape import ListOf
from bascule.services import sandbox_clock, sandbox_money, sandbox_trigger
from bascule.services.sandbox import Place, Sandbox
from bascule.services.sandbox_money import Wish


async def pay(call: Call[SandboxPay]) -> dict[str, Any]:
    """Pays an intent from a development account: exactly, or too little, too much, again, too late."""
    id, asked = call.id("pi"), call.params
    wish = Wish(asked.amount, asked.network, asked.token, None, asked.payer)
    return await sandbox_money.pay(_sandbox(call), call.account_id, call.livemode, id, wish)


async def faucet(call: Call[SandboxFaucet]) -> dict[str, Any]:
    """Gives test tokens, or the chain's own coin, to an address."""
    asked = call.params
    wish = Wish(asked.amount, asked.network, asked.token, asked.currency, asked.to)
    return await sandbox_money.give(_sandbox(call), call.livemode, wish)


async def blacklist(call: Call[SandboxBlacklist]) -> dict[str, Any]:
    """Makes a test token's issuer deny an address, so that what pays it fails on the chain."""
    asked = call.params
    wish = Wish(None, asked.network, asked.token, asked.currency, asked.address)
    return await sandbox_money.deny(_sandbox(call), call.livemode, wish, lifted=asked.lifted)


async def mine(call: Call[ChainMine]) -> dict[str, Any]:
    """Mines blocks now."""
    return await _sandbox(call).mine(await _place(call), call.params.blocks)


async def reorg(call: Call[ChainReorg]) -> dict[str, Any]:
    """Replaces the last blocks; their transactions come back, except those that are dropped."""
    return await _sandbox(call).reorg(await _place(call), call.params.depth, call.params.drop)


async def gas_spike(call: Call[ChainGasSpike]) -> dict[str, Any]:
    """Makes gas dear for some blocks."""
    asked = call.params
    return await _sandbox(call).gas_spike(
        await _place(call), factor=asked.factor, base_fee=asked.base_fee, blocks=asked.blocks
    )


async def drop_tx(call: Call[ChainDropTx]) -> dict[str, Any]:
    """Makes the node's pool forget a transaction that waits."""
    return await _sandbox(call).drop_tx(await _place(call), call.params.tx_hash)


async def pause_rpc(call: Call[ChainPauseRpc]) -> dict[str, Any]:
    """Makes the node close every connection without an answer; controls still work."""
    return await _sandbox(call).pause_rpc(await _place(call), call.params.seconds)


async def set_fault(call: Call[Any]) -> dict[str, Any]:
    """Makes the node lie, fail or delay; docs/testing/faults.md has every kind."""
    asked = call.params.model_dump(exclude_unset=True, exclude={"network"})
    return await _sandbox(call).set_fault(await _place(call), asked)


async def list_faults(call: Call[FaultList]) -> dict[str, Any]:
    """The faults that are set, and how often each hit."""
    return lists.part(call, await _sandbox(call).faults(await _place(call)))


async def clear_faults(call: Call[OnNetwork]) -> dict[str, Any]:
    """Ends every fault."""
    return await _sandbox(call).clear_faults(await _place(call), None)


async def clear_fault(call: Call[OnNetwork]) -> dict[str, Any]:
    """Ends one fault."""
    id = call.path["id"]
    if not re.fullmatch("[1-9][0-9]{0,8}", id, re.ASCII):
        raise NotFound("resource_missing", f"No such fault: {id!r:.70}.", param="id")
    return await _sandbox(call).clear_faults(await _place(call), int(id))


async def trigger(call: Call[EventTrigger]) -> dict[str, Any]:
    """Makes an event happen: a fresh intent of 2.00 is paid or canceled, whichever it takes."""
    use_cases, type = call.deps.intents, call.params.type
    return await sandbox_trigger.trigger(
        _sandbox(call), use_cases, call.account_id, call.livemode, type, call.context
    )


async def advance(call: Call[TestClockAdvance]) -> dict[str, Any]:
    """Brings the deadlines of the account's test objects nearer; what falls due happens as in life."""
    return await sandbox_clock.advance(
        _sandbox(call), call.deps.clock, call.account_id, call.livemode, call.params.seconds
    )


def _sandbox(call: Call[Any]) -> Sandbox:
    if call.deps.sandbox is None:
        raise NotFound(
            "sandbox_disabled",
            "This installation has no sandbox.",
            next_step="bascule dev has one; elsewhere BASCULE_SANDBOX=true opens it on development chains.",
        )
    return call.deps.sandbox


async def _place(call: Call[Any]) -> Place:
    return await _sandbox(call).place(call.livemode, call.params.network)


_PATH = "/v1/test_helpers"
_CHAIN = f"{_PATH}/chain"
_READ, _WRITE = "test_helpers:read", "test_helpers:write"
_ANVIL_FIRST = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

OPERATIONS = (
    Operation(
        "POST", f"{_PATH}/payment_intents/{{id}}/pay", "sandbox_pay_payment_intent", "Pay an intent", _WRITE,
        Outside(pay), SandboxPay, shapes.SentTransaction, "optional", example={"amount": "10.00"},
    ),
    Operation(
        "POST", f"{_PATH}/tokens/faucet", "sandbox_faucet", "Give test tokens", _WRITE, Outside(faucet),
        SandboxFaucet, shapes.SentTransaction, "optional",
        example={"currency": "usdc", "amount": "100.00", "to": _ANVIL_FIRST},
    ),
    Operation(
        "POST", f"{_PATH}/tokens/blacklist", "sandbox_blacklist", "Let a token deny an address", _WRITE,
        Outside(blacklist), SandboxBlacklist, shapes.SentTransaction, "optional",
        example={"currency": "usdc", "address": _ANVIL_FIRST},
    ),
    Operation(
        "POST", f"{_PATH}/events/trigger", "sandbox_trigger_event", "Make an event happen", _WRITE,
        Outside(trigger), EventTrigger, shapes.Triggered, "optional",
        example={"type": "payment_intent.succeeded"},
    ),
    Operation(
        "POST", f"{_PATH}/test_clocks/advance", "sandbox_advance_test_clock", "Let time go on", _WRITE,
        Outside(advance), TestClockAdvance, shapes.TestClock, "optional", example={"seconds": 86_400},
    ),
    Operation(
        "POST", f"{_CHAIN}/mine", "sandbox_mine", "Mine blocks", _WRITE, Outside(mine), ChainMine,
        shapes.ChainHead, "optional", example={"blocks": 5},
    ),
    Operation(
        "POST", f"{_CHAIN}/reorg", "sandbox_reorg", "Replace the last blocks", _WRITE, Outside(reorg),
        ChainReorg, shapes.ChainHead, "optional", example={"depth": 2},
    ),
    Operation(
        "POST", f"{_CHAIN}/gas_spike", "sandbox_gas_spike", "Make gas dear", _WRITE, Outside(gas_spike),
        ChainGasSpike, shapes.GasSpike, "optional", example={"factor": 20, "blocks": 5},
    ),
    Operation(
        "POST", f"{_CHAIN}/drop_tx", "sandbox_drop_tx", "Drop a waiting transaction", _WRITE,
        Outside(drop_tx), ChainDropTx, shapes.DroppedTransaction, "optional", conflicts=True,
        example={"tx_hash": "0x" + "ab" * 32},
    ),
    Operation(
        "POST", f"{_CHAIN}/pause_rpc", "sandbox_pause_rpc", "Silence the node", _WRITE, Outside(pause_rpc),
        ChainPauseRpc, shapes.PausedRpc, "optional", example={"seconds": 5},
    ),
    Operation(
        "POST", f"{_CHAIN}/faults", "sandbox_set_fault", "Make the node misbehave", _WRITE,
        Outside(set_fault), shapes.ChainFault, shapes.Fault, "optional",
        example={"kind": "truncate", "drop": 1, "times": 3},
    ),
    Operation(
        "GET", f"{_CHAIN}/faults", "sandbox_list_faults", "List the faults", _READ, Outside(list_faults),
        FaultList, ListOf[shapes.Fault],
    ),
    Operation(
        "DELETE", f"{_CHAIN}/faults", "sandbox_clear_faults", "End every fault", _WRITE,
        Outside(clear_faults), OnNetwork, shapes.ClearedFaults,
    ),
    Operation(
        "DELETE", f"{_CHAIN}/faults/{{id}}", "sandbox_clear_fault", "End one fault", _WRITE,
        Outside(clear_fault), OnNetwork, shapes.ClearedFaults,
    ),
)  # fmt: skip
