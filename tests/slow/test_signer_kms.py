"""Submitter and signer as processes, the lane's key in a key service that other people run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slow.test_signer_tls import process
from tests.support import kill_loop, kills
from tests.support.kill_driver import Driver, until
from tests.support.kms import KeyServiceDouble, key_service
from tests.support.oracle import require_sound

pytestmark = pytest.mark.slow
SIGN = "TrentService.Sign"
LONG_S = kill_loop.PATIENCE_S
UNDER_WAY = "state <> 'final' AND wallet IN (SELECT wallet FROM lanes)"
WRITTEN = (
    "SELECT concat((SELECT md5(string_agg(s::text, ',' ORDER BY s::text)) FROM slots s),"
    " (SELECT md5(string_agg(a::text, ',' ORDER BY a::text)) FROM attempts a),"
    " (SELECT md5(string_agg(o::text, ',' ORDER BY o::text)) FROM offers o),"
    " (SELECT md5(string_agg(p::text, ',' ORDER BY p::text)) FROM payouts p))"
)
Running = AbstractContextManager["subprocess.Popen[bytes]"]


@dataclass
class Lane:
    """The lane of a `bascule dev` whose own submitter sleeps, worked by processes of the test's own."""

    driver: Driver
    service: KeyServiceDouble
    folder: Path
    told: dict[str, str]

    def signer(self) -> Running:
        return process(self.folder / "signer.log", "signer", told=self.told)

    def submitter(self, name: str = "submitter") -> Running:
        lane = f"{self.driver.ready['chain_id']}/vault-0"
        return process(self.folder / f"{name}.log", "submitter", "--lane", lane, told=self.told)

    def says(self, *words: bytes, who: str = "submitter") -> None:
        """One of these is what it says."""
        log = self.folder / f"{who}.log"
        until(
            lambda: any(each in log.read_bytes() for each in words),
            f"the {who} to say {words!r}",
            within=LONG_S,
        )

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """A payout is asked for, and the key service keeps its question to the end of the block."""
        before = self.signatures()
        self.service.awake.clear()
        try:
            self.driver.payout("1.00")
            until(lambda: self.signatures() > before, "the service to be asked", within=LONG_S)
            yield
        finally:
            self.service.awake.set()

    def paid(self, count: int) -> None:
        """So many payouts are paid, each by one question and one slot, and on chain once."""
        paid = "SELECT count(*) FROM payouts WHERE state = 'paid'"
        until(lambda: self.driver.sql(paid) == [(count,)], f"{count} payouts to be paid", within=LONG_S)
        assert self.driver.sql("SELECT count(*) FROM signer.slots WHERE kind = 'pay'") == [(count,)]
        open_slots = "SELECT 1 FROM slots WHERE state <> 'final'"
        until(lambda: self.driver.sql(open_slots) == [], "the slots to end", within=LONG_S)
        assert require_sound(self.driver.ready).payouts_paid == count

    def signatures(self) -> int:
        return sum(action == SIGN for action, _ in self.service.asked)


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    with _lane(tmp_path) as made:
        yield made


@contextmanager
def _lane(tmp_path: Path) -> Iterator[Lane]:
    folder = tmp_path / "data"
    with (
        key_service() as service,
        kills.dev(folder) as (pid, ready),
        kill_loop.asleep(folder, pid, "submitter"),
    ):
        service.secret = bytes.fromhex(json.loads((folder / "secrets.json").read_text())["lane_key"][2:])
        config = tmp_path / "kms.toml"
        keystore = re.compile(r"^signer_keystore(_password)? .*\n", re.MULTILINE)
        config.write_text(keystore.sub("", (folder / "bascule.toml").read_text()))
        told = {
            "BASCULE_CONFIG": str(config),
            "BASCULE_LEASE_S": "1",
            "BASCULE_SIGNER_KMS_KEY_ID": "alias/lane",
            "BASCULE_SIGNER_SOCKET": str(tmp_path / "s"),
            "AWS_ENDPOINT_URL_KMS": service.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        yield Lane(Driver(ready), service, tmp_path, told)


def test_key_service_that_throttles_or_is_disabled_delays_payouts_and_doubles_none(lane: Lane) -> None:
    """The signer dies between two tries, too: what it committed is what it signs."""
    nothing_sent = f"SELECT count(*) FROM attempts WHERE {UNDER_WAY}"
    lane.service.signs_not = "ThrottlingException"
    with lane.submitter():
        with lane.signer() as signer:
            lane.driver.payout("1.00")
            lane.says(b"AWS KMS asks for patience: ThrottlingException")
            signer.kill()
        with lane.signer():
            before = lane.signatures()
            until(lambda: lane.signatures() > before, "the service to be asked again", within=LONG_S)
            assert lane.driver.sql(nothing_sent) == [(0,)]
            lane.service.signs_not = ""
            lane.paid(1)

            lane.service.disabled = True
            lane.driver.payout("2.00")
            lane.says(b"enable the key")
            assert lane.driver.sql(nothing_sent) == [(0,)]
            lane.service.disabled = False
            lane.paid(2)


def test_key_service_that_hangs_delays_a_payout_and_doubles_nothing(lane: Lane) -> None:
    with lane.signer(), lane.submitter():
        with lane.hanging():
            lane.says(b"does not answer")
            assert lane.driver.sql("SELECT DISTINCT state FROM payouts") == [("in_transit",)]
            assert lane.driver.sql(f"SELECT count(*) FROM attempts WHERE {UNDER_WAY}") == [(0,)]
            assert lane.driver.sql(f"SELECT count(*) FROM slots WHERE {UNDER_WAY}") == [(1,)]
        lane.paid(1)


def test_submitter_that_slept_past_its_lease_at_work_writes_nothing_when_it_wakes(lane: Lane) -> None:
    """It had reserved and asked for bytes; another asks for the same and pays meanwhile."""
    with lane.signer(), lane.submitter("sleeper") as sleeper, ExitStack() as awake:
        with lane.hanging():
            os.kill(sleeper.pid, signal.SIGSTOP)
            awake.callback(os.kill, sleeper.pid, signal.SIGCONT)
            awake.enter_context(lane.submitter())
        lane.paid(1)
        [(mark,)] = lane.driver.sql(WRITTEN)

        os.kill(sleeper.pid, signal.SIGCONT)
        lane.says(b"is not ours any more", b"does not answer", who="sleeper")

        assert lane.driver.sql(WRITTEN) == [(mark,)]
        lane.driver.payout("2.00")
        lane.paid(2)


def test_signer_that_slept_during_a_question_answers_the_next_with_the_same_bytes(lane: Lane) -> None:
    with lane.signer() as signer, lane.submitter(), ExitStack() as awake:
        with lane.hanging():
            os.kill(signer.pid, signal.SIGSTOP)
            awake.callback(os.kill, signer.pid, signal.SIGCONT)
        lane.says(b"does not answer")
        assert lane.driver.sql(f"SELECT count(*) FROM attempts WHERE {UNDER_WAY}") == [(0,)]

        os.kill(signer.pid, signal.SIGCONT)
        lane.paid(1)


def test_signer_whose_memory_was_put_back_signs_nothing_though_its_key_would(lane: Lane) -> None:
    """A key service remembers nothing: it would sign an old nonce anew, and with other bytes."""
    database = lane.driver.ready["database_url"]
    [(programs,)] = lane.driver.sql("SELECT setting FROM pg_config() WHERE name = 'BINDIR'")
    dump = lane.folder / "dump"
    with lane.signer(), lane.submitter():
        lane.driver.payout("1.00")
        lane.paid(1)
        subprocess.run(
            [Path(programs) / "pg_dump", "-Fc", "-n", "signer", "-f", dump, database],
            check=True,
        )
        lane.driver.payout("2.00")
        lane.paid(2)
    lane.driver.sql("DROP SCHEMA signer CASCADE")
    subprocess.run([Path(programs) / "pg_restore", "--dbname", database, dump], check=True)
    before = lane.signatures()

    with lane.signer(), lane.submitter():
        waiting = lane.driver.payout("3.00")
        lane.says(b"run `bascule restore check`")

        [(why,)] = lane.driver.sql("SELECT closed_reason FROM wallets WHERE name = 'vault-0'")
        assert why.startswith("the signer's memory ends at nonce 0, bytes of 1 are kept here")
        assert lane.signatures() == before
        assert lane.driver.sql(f"SELECT count(*) FROM slots WHERE {UNDER_WAY}") == [(0,)]
    treasury = lane.driver.ready["treasury"]["secret_key"]
    lane.driver.api(treasury, f"/v1/payouts/{waiting}/cancel", {})
    assert require_sound(lane.driver.ready).payouts_paid == 2
