"""Addresses and code hashes in the configuration file: one block of it is ours, every other byte stays.

The block stands at the end, between two lines of comment, so that neither comments nor format of the rest
need to be understood. After a crash the file is the old one or the new one.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bascule.chain.abi import artifact
from bascule.domain.chain import Address, Hash, checksum
from bascule.entrypoints.contracts.blueprint import Blueprint
from bascule.entrypoints.contracts.checks import MISSING, Check
from bascule.settings import contracts as born
from bascule.settings.contracts import Deployed

BEGIN = "# Written by `bascule contracts deploy`; do not edit up to the closing line."
LISTED = "listed"
END = "# End of what `bascule contracts deploy` writes."


def entries_of(chain_id: int, places: Mapping[Address, str]) -> list[Deployed]:
    """What the configuration is to know about a chain. places: the contract of `abi/` at each address."""
    return [
        Deployed(chain_id, contract, address, Hash(artifact(contract).code_hash))
        for address, contract in places.items()
    ]


def toml(entries: Sequence[Deployed]) -> str:
    """The entries as `[[deployments]]` tables."""
    return "\n".join(
        f"[[deployments]]\nchain = {each.chain}\ncontract = \"{each.contract}\"\n"
        f"address = \"{checksum(each.address)}\"\ncode_hash = \"0x{each.code_hash.hex()}\"\n"
        for each in entries
    )  # fmt: skip


def merged(known: Sequence[Deployed], plan: Blueprint) -> list[Deployed]:
    """All chains' entries, this chain's anew."""
    others = [each for each in known if each.chain != plan.chain_id]
    made = entries_of(plan.chain_id, plan.standing)
    return sorted([*others, *made], key=lambda each: (each.chain, each.contract, each.address))


def rewritten(text: str, entries: Sequence[Deployed]) -> str:
    """The file's text with these entries in our block. Raises: ValueError when that cannot be done."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if begin and not end:
        raise ValueError("the closing line of our block is missing")
    if "deployments" in tomllib.loads(head + tail):
        raise ValueError("it has deployments outside our block")
    if not begin:
        head = head.rstrip("\n") + "\n\n"
    made = f"{head}{BEGIN}\n{toml(entries)}{END}{tail or chr(10)}"
    before, after = tomllib.loads(text), tomllib.loads(made)
    if {**before, "deployments": None} != {**after, "deployments": None}:
        raise ValueError("what follows our block belongs to its last table: move it above the block")
    return made


def write(path: Path, entries: Sequence[Deployed]) -> bool:
    """Puts the entries into the file; False when it has them already. Raises: OSError, ValueError."""
    real = path.resolve()
    text = real.read_bytes().decode()
    given = born.deployments(tomllib.loads(text).get("deployments", []))
    if set(given) == set(entries):
        return False
    made = rewritten(text, entries)
    if not os.access(real, os.W_OK):  # replacing it would be possible wherever its folder lets us
        raise PermissionError(f"{path} may not be written")
    was = real.stat()
    handle, beside = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made.encode())
            os.fchmod(file.fileno(), was.st_mode & 0o7777)
            with suppress(PermissionError):  # only root may give a file away; ours then stays ours
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(real)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return True


def recorded(known: Sequence[Deployed], plan: Blueprint) -> list[Check]:
    """Whether the configuration knows what is to stand on the chain, and nothing else there."""
    mine = {each.address: each for each in known if each.chain == plan.chain_id}
    remedy = "run `bascule contracts deploy`: it writes them anew and sends nothing that stands already"
    checks = []
    for wanted in entries_of(plan.chain_id, plan.standing):
        found = mine.pop(wanted.address, None)
        says = MISSING if found is None else LISTED if found == wanted else f"as {found}, with other code"
        checks.append(Check(wanted.contract, wanted.address, "in deployments", LISTED, says, remedy=remedy))
    checks += [
        Check(other.contract, other.address, "in deployments", MISSING, LISTED, remedy=remedy)
        for other in mine.values()
    ]
    return checks
