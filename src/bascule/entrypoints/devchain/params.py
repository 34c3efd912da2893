"""Reading JSON-RPC parameters: hex quantities, bytes, addresses, block tags and call objects."""

import re
from collections.abc import Mapping
from typing import Any

from eth_utils.address import is_checksum_formatted_address, to_checksum_address

from bascule.entrypoints.devchain.calls import Message, Override
from bascule.entrypoints.devchain.errors import invalid_params

TAGS = ("latest", "pending", "safe", "finalized", "earliest")
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
MAX_UINT64 = 2**64 - 1
MAX_UINT256 = 2**256 - 1
FEES = ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas")
OVERRIDES = frozenset({"balance", "nonce", "code", "state", "stateDiff"})


def quantity(value: object, name: str) -> int:
    """Returns a number given as 0x-hex, or as a plain integer, which libraries send to evm_* methods."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_UINT256:
        return value
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return int(value, 16)
    raise invalid_params(f"{name}: a 0x-prefixed hex number is needed")


def data(value: object, name: str, length: int | None = None) -> bytes:
    """Returns bytes given as 0x-hex of even length, and of exactly `length` bytes if that is set."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid_params(f"{name}: 0x-prefixed hex with an even number of digits is needed")
    decoded = bytes.fromhex(value[2:])
    if length is not None and len(decoded) != length:
        raise invalid_params(f"{name}: {length} bytes are needed, not {len(decoded)}")
    return decoded


def address(value: object, name: str = "address") -> bytes:
    """Returns a 20-byte address; one in mixed case must carry a right checksum."""
    decoded = data(value, name, 20)
    if is_checksum_formatted_address(value) and value != to_checksum_address(decoded):
        raise invalid_params(f"{name}: bad address checksum")
    return decoded


def boolean(value: object, name: str) -> bool:
    """Returns true or false and nothing that merely resembles them."""
    if not isinstance(value, bool):
        raise invalid_params(f"{name}: true or false is needed")
    return value


def members(value: object, name: str, allowed: frozenset[str] | None = None) -> Mapping[str, Any]:
    """Returns a JSON object; a member outside `allowed` is refused by name."""
    if not isinstance(value, dict):
        raise invalid_params(f"{name}: an object is needed")
    unknown = sorted(value.keys() - allowed) if allowed is not None else []
    if unknown:
        raise invalid_params(f"{name}: unknown member {unknown[0]}")
    return value


def message(value: object) -> Message:
    """Returns a call object; a fee says what the sender must be able to pay, a nonce has no effect."""
    fields = members(value, "transaction")
    payloads = {name: data(fields[name], name) for name in ("data", "input") if fields.get(name) is not None}
    if len(set(payloads.values())) > 1:
        raise invalid_params('transaction: "data" and "input" are both set and not equal')
    return Message(
        sender=address(fields["from"], "from") if fields.get("from") else bytes(20),
        to=address(fields["to"], "to") if fields.get("to") else b"",
        value=quantity(fields["value"], "value") if fields.get("value") is not None else 0,
        data=next(iter(payloads.values()), b""),
        gas=quantity(fields["gas"], "gas") if fields.get("gas") is not None else None,
        access_list=_access_list(fields.get("accessList") or []),
        authorizations=_authorizations(fields.get("authorizationList") or []),
        price=_price(fields),
    )


def overrides(value: object) -> tuple[Override, ...]:
    """Returns a state override set: accounts as a call shall find them, by address."""
    accounts = members({} if value is None else value, "state overrides")
    return tuple(_override(address(name, "state override"), entry) for name, entry in accounts.items())


def _override(account: bytes, value: object) -> Override:
    fields = members(value, "state override", OVERRIDES)
    if fields.get("state") is not None and fields.get("stateDiff") is not None:
        raise invalid_params(f"account 0x{account.hex()} has both 'state' and 'stateDiff'")
    amounts = {
        name: quantity(fields[name], name) if fields.get(name) is not None else None
        for name in ("balance", "nonce")
    }
    if (amounts["nonce"] or 0) > MAX_UINT64:
        raise invalid_params("nonce: at most 64 bits")
    return Override(
        address=account,
        balance=amounts["balance"],
        nonce=amounts["nonce"],
        code=data(fields["code"], "code") if fields.get("code") is not None else None,
        state=_words_by_slot(fields.get("state"), "state"),
        state_diff=_words_by_slot(fields.get("stateDiff"), "stateDiff"),
    )


def _words_by_slot(value: object, name: str) -> dict[int, int] | None:
    if value is None:
        return None
    entries = members(value, name).items()
    return {
        int.from_bytes(data(slot, name, 32), "big"): int.from_bytes(data(word, name, 32), "big")
        for slot, word in entries
    }


def _price(fields: Mapping[str, Any]) -> int:
    given = {name: quantity(fields[name], name) for name in FEES if fields.get(name) is not None}
    if "gasPrice" in given and len(given) > 1:
        raise invalid_params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    price, tip = given.get("maxFeePerGas", 0), given.get("maxPriorityFeePerGas", 0)
    if "maxFeePerGas" in given and tip > price:
        raise invalid_params(f"maxFeePerGas ({price}) < maxPriorityFeePerGas ({tip})")
    return given.get("gasPrice", price)


def _access_list(value: object) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if not isinstance(value, list):
        raise invalid_params("accessList: a list is needed")
    entries = [members(entry, "accessList") for entry in value]
    return tuple(
        (address(entry.get("address"), "accessList.address"), _slots(entry.get("storageKeys") or []))
        for entry in entries
    )


def _authorizations(value: object) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list):
        raise invalid_params("authorizationList: a list is needed")
    entries = [members(entry, "authorizationList") for entry in value]
    numbers = {"chain_id": "chainId", "nonce": "nonce", "y_parity": "yParity", "r": "r", "s": "s"}
    return tuple(
        {ours: quantity(entry.get(name), f"authorizationList.{name}") for ours, name in numbers.items()}
        | {"address": address(entry.get("address"), "authorizationList.address")}
        for entry in entries
    )


def _slots(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise invalid_params("accessList.storageKeys: a list is needed")
    return tuple(int.from_bytes(data(key, "accessList.storageKeys", 32), "big") for key in value)
