"""The ten well-known development accounts, the same ones every local node hands out."""

from dataclasses import dataclass
from functools import cache

MNEMONIC = "test test test test test test test test test test test junk"
HD_PATH = "m/44'/60'/0'/0"
ACCOUNT_COUNT = 10


@dataclass(frozen=True, slots=True)
class DevAccount:
    """An account whose private key is public knowledge; worthless outside a local chain."""

    address: str
    private_key: str


@cache
def dev_account(index: int) -> DevAccount:
    """Returns the account of `MNEMONIC` under `HD_PATH` with this index."""
    from eth_account import Account
    from eth_account.hdaccount.deterministic import HDPath

    key = HDPath(f"{HD_PATH}/{index}").derive(_seed())
    return DevAccount(Account.from_key(key).address, "0x" + bytes(key).hex())


@cache
def dev_accounts() -> tuple[DevAccount, ...]:
    """Returns the accounts of `MNEMONIC` under `HD_PATH`, in index order; 0xf39F…2266 comes first."""
    return tuple(dev_account(index) for index in range(ACCOUNT_COUNT))


@cache
def _seed() -> bytes:
    from eth_account.hdaccount import seed_from_mnemonic

    return seed_from_mnemonic(MNEMONIC, "")
