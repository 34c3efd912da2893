"""The signer's key comes from where its settings say, and what a key service does never signs twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints import signing_keys
from bascule.entrypoints.signer_client import SignerClient, SignerUnreachable
from bascule.entrypoints.signer_server import SignerServer
from bascule.services.signer import Signer
from bascule.settings import BadConfiguration, load
from bascule.signing.aws_kms import ATTEMPTS
from bascule.signing.key import Key
from bascule.signing.keystore import create_keystore
from tests.support.kms import KeyServiceDouble, kms, refusal, service
from tests.support.money_out import OpenAs
from tests.support.nodes import no_guard
from tests.support.signing import KEY, SECRET, Desk

__all__ = ["kms", "service"]
SETTINGS = {"BASCULE_SIGNER_KMS_KEY_ID": "alias/lane"}


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


@pytest.fixture(scope="module")
def key(service: KeyServiceDouble) -> Key:
    service.secret = SECRET
    [key] = asyncio.run(signing_keys.lanes(load(SETTINGS)))
    return key


def signer(desk: Desk, key: Key) -> Signer:
    return Signer(desk.db, [key], desk.clock)


async def test_configured_kms_key_is_the_wallet_that_doctor_names(kms: KeyServiceDouble) -> None:
    kms.secret = SECRET

    [key] = await signing_keys.lanes(load(SETTINGS))
    assert key.address == KEY.address


async def test_folder_of_keystores_has_a_key_for_each_lane(tmp_path: Path) -> None:
    made = {create_keystore(tmp_path / f"lane-{n}.json", "secret", rounds=2) for n in range(3)}
    configured = load(
        {"BASCULE_SIGNER_KEYSTORE": str(tmp_path), "BASCULE_SIGNER_KEYSTORE_PASSWORD": "secret"}
    )

    assert {key.address for key in await signing_keys.lanes(configured)} == made


async def test_folder_without_a_keystore_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="BASCULE_SIGNER_KEYSTORE is a folder without"):
        await signing_keys.lanes(load({"BASCULE_SIGNER_KEYSTORE": str(tmp_path)}))


async def test_sweepers_key_may_be_in_kms_too_and_none_is_none(kms: KeyServiceDouble) -> None:
    kms.secret = SECRET
    configured = load({"BASCULE_SWEEPER_KMS_KEY_ID": "alias/lane"})

    found = await signing_keys.service(configured, "sweeper")

    assert found is not None
    assert found.address == KEY.address
    assert await signing_keys.service(load(SETTINGS), "sweeper") is None
    with pytest.raises(BadConfiguration, match="BASCULE_SWEEPER_KMS_KEY_ID stands beside"):
        await signing_keys.service(
            load({"BASCULE_SWEEPER_KMS_KEY_ID": "a", "BASCULE_SWEEPER_KEYSTORE": "/etc/sweeper.json"}),
            "sweeper",
        )


async def test_kms_beside_a_keystore_is_refused_by_name() -> None:
    with pytest.raises(
        BadConfiguration, match="BASCULE_SIGNER_KMS_KEY_ID stands beside BASCULE_SIGNER_KEYSTORE"
    ):
        await signing_keys.lanes(load({**SETTINGS, "BASCULE_SIGNER_KEYSTORE": "/etc/lane.json"}))


async def test_same_intent_gets_the_same_bytes_though_kms_would_sign_anew(
    desk: Desk, kms: KeyServiceDouble, key: Key
) -> None:
    kms.secret = SECRET
    first = await signer(desk, key).sign(desk.pay())

    again = await signer(desk, key).sign(desk.pay())

    assert again == first
    assert [action for action, _ in kms.asked].count("TrentService.Sign") == 1


async def test_throttled_kms_loses_nothing_and_makes_no_second_intent(
    desk: Desk, kms: KeyServiceDouble, key: Key
) -> None:
    kms.secret = SECRET
    ours = signer(desk, key)
    kms.next_answers = [refusal("ThrottlingException")] * ATTEMPTS
    with pytest.raises(Retryable, match="ThrottlingException"):
        await ours.sign(desk.pay())

    signed = await ours.sign(desk.pay())

    assert await ours.sign(desk.pay()) == signed
    assert (await desk.count("slots"), await desk.count("signatures"), await desk.count("items")) == (1, 1, 1)


async def test_disabled_key_keeps_the_submitter_waiting_with_the_reason(
    desk: Desk, kms: KeyServiceDouble, key: Key, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kms.secret = SECRET
    ours, path = signer(desk, key), tmp_path_factory.mktemp("s") / "s"
    kms.disabled = True
    server = SignerServer(ours, path)
    await server.open()
    try:
        async with SignerClient(path, guard=no_guard) as client:
            with pytest.raises(SignerUnreachable, match=r"DisabledException.*enable the key"):
                await client.sign(desk.pay())
            kms.disabled = False
            assert await client.sign(desk.pay()) == await ours.sign(desk.pay())
    finally:
        await server.close()


async def test_signature_of_another_key_is_neither_kept_nor_sent(
    desk: Desk, kms: KeyServiceDouble, key: Key
) -> None:
    kms.secret = SECRET
    ours = signer(desk, key)
    kms.secret = b"\x44" * 32

    with pytest.raises(Halted, match="of another key"):
        await ours.sign(desk.pay())

    assert await desk.count("signatures") == 0
    kms.secret = SECRET
    await ours.sign(desk.pay())
    assert await desk.count("signatures") == 1
