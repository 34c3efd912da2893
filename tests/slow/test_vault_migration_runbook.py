"""The runbook of a vault that is left, walked with its own commands beside a running `bascule dev`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account

from bascule.entrypoints.dev import ground
from bascule.entrypoints.wallet_keys import keep_key
from tests.slow.test_runbooks import PASSWORD, Operator
from tests.support import kills
from tests.support.kill_driver import Driver, until
from tests.support.oracle import TRANSFER, judge_outgoing

pytestmark = pytest.mark.slow
PAGE = "vault-migration.md"
MOVED = 900_000 * ground.UNIT


def test_treasury_moves_to_another_vault_by_the_book_and_all_is_paid_once(tmp_path: Path) -> None:
    with kills.dev(tmp_path / "data") as (tree, ready):
        driver, wallet, part = Driver(ready), Account.create(), ground.cast()
        [(token,)] = driver.sql("SELECT id FROM tokens WHERE accepted")
        operator = Operator(
            driver,
            tmp_path,
            {"tok_…": token, " base": " dev"},
            {"BASCULE_DEPLOYER_KEY": part.deployer.private_key},
        )
        old, config = ready["vault"], tmp_path / "data" / "bascule.toml"
        float_booked = "SELECT 1 FROM ledger.balances WHERE code = 'custody:vault' AND posted > 0"
        until(lambda: driver.sql(float_booked) != [], "the float to be booked")
        before = driver.payout("1.00")
        operator.sees(before, "status", "paid")
        operator.does("vault-blacklisted.md", "bascule freeze")
        waiting = driver.payout("2.00")
        operator.sees(waiting, "waits_for", "frozen:")

        says = operator.reads(PAGE, "vault_salt", **{"0x…": wallet.address}).strip()
        config.write_text(configured(config.read_text(), says, driver))
        operator.does(PAGE, "bascule contracts deploy")
        operator.does(PAGE, "bascule chains publish")
        operator.sees(waiting, "lapse_reason", "vault_migrated")
        new = operator.payout(waiting)["vault"]
        assert new != old

        operator.does(PAGE, "bascule limits propose")
        for number, person in enumerate(ready["treasury"]["approvers"][:2]):
            keep_key(tmp_path / f"{number}.json", PASSWORD, person["private_key"])
            operator.does(PAGE, "bascule limits sign", **{"my-key.json": f"{number}.json"})
        operator.does(PAGE, "bascule limits apply")

        secrets = tomllib.loads(config.read_text())
        keep_key(
            tmp_path / "data" / "lanes" / "vault-1.json",
            secrets["signer_keystore_password"],
            wallet.key.to_0x_hex(),
        )
        give_coin(driver, part.customers[0].private_key, wallet.address)
        for pid in kills.pid_of(tmp_path / "data", tree, "signer"):
            os.kill(pid, signal.SIGTERM)
        operator.does(PAGE, "bascule lanes open", **{"0x…": wallet.address})
        with running(operator, operator.reads(PAGE, "bascule submitter")):
            driver.approve(waiting)
            operator.runs(f"bascule unfreeze {token} --reason 'the new vault stands'")
            treasury = part.treasury
            operator.does(PAGE, "bascule sources add", **{"0x…": treasury.address})
            driver.owner_calls("withdraw(address,uint256)", driver.token, MOVED)
            driver.transact(treasury.private_key, driver.token, "transfer(address,uint256)", new, MOVED)
            operator.sees(waiting, "status", "paid")
            after = driver.payout("3.00")
            operator.sees(after, "status", "paid")

            driver.owner_calls("retireLane(uint32)", ground.LANE)
            operator.does(PAGE, "bascule restore check")
            operator.sees(driver.payout("4.00"), "status", "paid")

        assert [operator.payout(each)["vault"] for each in driver.payouts] == [old, new, new, new]
        assert paid_from(driver, old, besides=treasury.address) == [10**6]
        assert paid_from(driver, new) == [2 * 10**6, 3 * 10**6, 4 * 10**6]
        judge_outgoing(ready["rpc_url"], ready["database_url"])
        assert driver.sql("SELECT 1 FROM token_suspensions WHERE ended_at IS NULL") == []


def configured(text: str, says: str, driver: Driver) -> str:
    """The configuration with what the page says of the contracts, and the token as operators have it."""
    lanes = re.compile(r"lanes = \[[^]]*\]")
    assert len(lanes.findall(text)) == 1
    token = driver.ready["tokens"][0]
    listed = (
        f'tokens = [{{ currency = "{token["currency"]}", contract = "{token["contract"]}", decimals = 6 }}]'
    )
    chain = "[[chains]]\n"
    assert text.count(chain) == 1
    text = text.replace(chain, f"{chain}{listed}\n")
    return lanes.sub(lambda _: ", ".join(line.strip() for line in says.splitlines()), text)


def give_coin(driver: Driver, private_key: str, to: str) -> None:
    """One coin for gas, mined."""
    sender = Account.from_key(private_key)
    signed = sender.sign_transaction(
        {
            "type": 2, "chainId": driver.ready["chain_id"], "to": to, "value": 10**18, "gas": 21_000,
            "nonce": int(driver.rpc("eth_getTransactionCount", sender.address, "latest"), 16),
            "maxFeePerGas": 100 * 10**9, "maxPriorityFeePerGas": 2 * 10**9,
        }
    )  # fmt: skip
    driver.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
    until(lambda: int(driver.rpc("eth_getBalance", to, "latest"), 16) > 0, "the wallet to have coin")


def paid_from(driver: Driver, vault: str, *, besides: str | None = None) -> list[int]:
    """The token's Transfers out of a vault, but those to one address."""
    sender = "0x" + vault[2:].lower().rjust(64, "0")
    logs = driver.rpc(
        "eth_getLogs", {"fromBlock": "0x0", "address": driver.token, "topics": [TRANSFER, sender]}
    )
    to = None if besides is None else besides[2:].lower()
    return sorted(int(each["data"], 16) for each in logs if each["topics"][2][26:] != to)


@contextmanager
def running(operator: Operator, command: str) -> Iterator[None]:
    """A process that the page starts and that goes on; ended by SIGTERM."""
    with (operator.folder / "lane.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {command.strip()}"], cwd=operator.folder,
            env=operator.environ, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield
            assert process.poll() is None, (operator.folder / "lane.log").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
