"""Runbooks, walked with their own commands beside a running `bascule dev`: what they promise happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.wallet_keys import keep_key
from tests.slow.test_demo import environment
from tests.support import kills
from tests.support.kill_driver import Driver, until
from tests.support.oracle import require_sound
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
RUNBOOKS = ROOT / "docs" / "runbooks"
BLOCK = re.compile(r"^( *)```(?:bash|toml)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PASSWORD = "long enough"


@dataclass
class Operator:
    """Somebody with the page before them. folder: where they work; knows: more of their environment."""

    driver: Driver
    folder: Path
    names: dict[str, str]
    knows: dict[str, str] = field(default_factory=dict)

    def reads(self, page: str, starting: str, **names: str) -> str:
        """The block of that page which starts so, the page's `…` filled in."""
        text = (RUNBOOKS / page).read_text(encoding="utf-8")
        [block] = [body for _, body in BLOCK.findall(text) if body.strip().startswith(starting)]
        for name, value in {**self.names, **names}.items():
            block = block.replace(name, value)
        assert "…" not in block, block
        return block

    @property
    def environ(self) -> dict[str, str]:
        """Of the commands they run."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        config = str(self.folder / "data" / "bascule.toml")
        return environment(PATH=path, BASCULE_CONFIG=config, **self.knows)

    def does(self, page: str, starting: str, **names: str) -> str:
        """Runs that block; what it printed."""
        return self.runs(self.reads(page, starting, **names))

    def runs(self, block: str) -> str:
        """What the commands printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.folder,
            env=self.environ,
            input=PASSWORD + "\n",
            start_new_session=True,  # no terminal: the password is what comes in
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def payout(self, payout_id: str) -> dict[str, Any]:
        key = self.driver.ready["treasury"]["secret_key"]
        found: dict[str, Any] = self.driver.api(key, f"/v1/payouts/{payout_id}")
        return found

    def sees(self, payout_id: str, name: str, value: str) -> None:
        until(
            lambda: str(self.payout(payout_id)[name]).startswith(value), f"{payout_id} to have {name} {value}"
        )

    def issuer(self, signature: str) -> None:
        """The token's issuer acts on the vault."""
        issuer = dev_accounts()[0].private_key
        self.driver.transact(issuer, self.driver.token, signature, self.driver.ready["vault"])


def test_vault_is_blacklisted_and_an_approver_loses_a_key_and_all_is_paid_by_the_book(tmp_path: Path) -> None:
    with kills.dev(tmp_path / "data") as (_, ready):
        driver = Driver(ready)
        [(token,)] = driver.sql("SELECT id FROM tokens WHERE accepted")
        operator = Operator(driver, tmp_path, {"tok_…": token})

        operator.issuer("blacklist(address)")
        suspended = "SELECT 1 FROM token_suspensions WHERE cause = 'blacklisted' AND ended_at IS NULL"
        until(lambda: driver.sql(suspended) != [], "the listing to be read")
        waiting = driver.payout("1.00")
        operator.sees(waiting, "waits_for", "token_suspended:blacklisted")
        told = operator.does("vault-blacklisted.md", "bascule tokens list", **{"po_…": waiting})
        assert "bascule tokens resume" in told
        operator.does("vault-blacklisted.md", "bascule freeze")
        operator.sees(waiting, "waits_for", "frozen:")

        a_key_is_lost(operator, tmp_path)
        operator.sees(waiting, "status", "requires_action")
        operator.issuer("unBlacklist(address)")
        operator.does("vault-blacklisted.md", "bascule tokens resume")
        driver.approve(waiting)
        operator.sees(waiting, "status", "paid")

        assert driver.sql(suspended) == []
        assert require_sound(ready).payouts_paid == 1


def a_key_is_lost(operator: Operator, folder: Path) -> None:
    """The second approver's: the other two put somebody in their place, who signs from then on."""
    approvers = operator.driver.ready["treasury"]["approvers"]
    new = Account.create()
    for number, person in enumerate((approvers[0], approvers[2])):
        keep_key(folder / f"{number}.json", PASSWORD, person["private_key"])
    [(account,)] = operator.driver.sql("SELECT id FROM accounts WHERE kind = 'operator'")
    named = {
        "acct_…": account, "0xA…": approvers[0]["address"], "0xB…": approvers[2]["address"],
        "0xNEW…": new.address,
    }  # fmt: skip
    operator.does("lost-approver-key.md", "bascule roster propose", **named)
    for number in range(2):
        operator.does("lost-approver-key.md", "bascule roster sign", **{"my-key.json": f"{number}.json"})
    operator.does("lost-approver-key.md", "bascule roster apply")
    ruling = json.loads((folder / "roster.json").read_text())["typed_data"]["message"]
    assert new.address in json.dumps(ruling)
    approvers[1:] = [{"address": new.address, "private_key": new.key.to_0x_hex()}]
