"""Submitter and signer as processes, over TLS 1.3: a lane pays with its own certificate alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from bascule.entrypoints.ports import held
from bascule.entrypoints.signer_places import TlsPlace
from tests.entrypoints.test_signer_places import HOST, Certificates
from tests.support import kill_loop, kills
from tests.support.kill_driver import Driver, until

pytestmark = pytest.mark.slow
START_S = 300.0  # a busy machine takes its time over a process's imports


@contextmanager
def process(log: Path, *words: str, told: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours, until the block ends. log: what it says."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "bascule", *words], stdout=said, stderr=said, env={**environ, **told}
        ) as running,
    ):
        try:
            up = b'"ready"'
            ended = running.poll
            until(lambda: up in log.read_bytes() or ended() is not None, f"{words[0]} is up", within=START_S)
            assert up in log.read_bytes(), log.read_text(encoding="utf-8")
            yield running
        finally:
            running.terminate()
            running.wait(timeout=START_S)


def show(place: TlsPlace, fresh: TlsPlace) -> None:
    """A certificate takes the other's place, as a renewal does it."""
    fresh.key.replace(place.key)
    fresh.certificate.replace(place.certificate)


def files(place: TlsPlace) -> dict[str, str]:
    return {
        "BASCULE_SIGNER_TLS_CERTIFICATE": str(place.certificate),
        "BASCULE_SIGNER_TLS_KEY": str(place.key),
        "BASCULE_SIGNER_TLS_CA": str(place.ca),
    }


def test_lane_pays_with_its_own_certificate_alone_and_renews_it_without_a_restart(tmp_path: Path) -> None:
    """Another lane's certificate and an ended one move nothing; for the right one nothing is started anew."""
    folder, keys = tmp_path / "data", tmp_path / "keys"
    keys.mkdir()
    with (
        held("127.0.0.1", 0) as port,
        kills.dev(folder) as (pid, ready),
        kill_loop.asleep(folder, pid, "submitter"),
    ):
        certificates = Certificates(keys, trustme.CA(), port)
        driver = Driver(ready)
        lane = f"{ready['chain_id']}/vault-0"
        [(wallet,)] = driver.sql("SELECT '0x' || encode(wallet, 'hex') FROM lanes")
        served, shown = certificates.place(HOST), certificates.place("other-lane")
        at = f"{HOST}:{certificates.port}"
        both = {"BASCULE_CONFIG": str(folder / "bascule.toml"), "BASCULE_LEASE_S": "1"}
        signing = {
            **both,
            **files(served),
            "BASCULE_SIGNER_SOCKET": str(tmp_path / "s"),
            "BASCULE_SIGNER_LISTEN": at,
            "BASCULE_SIGNER_CLIENTS": f"vault-0={wallet} other-lane={'0x' + '77' * 20}",
        }
        paying = {**both, **files(shown), "BASCULE_SIGNER_ADDRESS": at}
        log = tmp_path / "submitter.log"
        with (
            process(tmp_path / "signer.log", "signer", told=signing),
            process(log, "submitter", "--lane", lane, told=paying),
        ):
            driver.payout("1.00")
            until(lambda: b"other-lane may not ask" in log.read_bytes(), "the wrong lane to be refused")
            show(shown, certificates.place("vault-0", ends=datetime.now(UTC) - timedelta(days=1)))
            until(lambda: b"certificate expired" in log.read_bytes(), "the ended one to be refused")
            sent = "SELECT count(*) FROM attempts WHERE wallet IN (SELECT wallet FROM lanes)"
            assert driver.sql(sent) == [(0,)]

            show(shown, certificates.place("vault-0"))
            until(
                lambda: driver.sql("SELECT 1 FROM payouts WHERE state = 'paid'") != [],
                "the payout to be paid",
            )
        assert driver.sql("SELECT count(*) FROM signer.slots WHERE kind = 'pay'") == [(1,)]
