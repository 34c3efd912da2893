"""A wallet whose key is in AWS KMS signs what every node takes, and says in one line why it does not.

The service is a double of ours that speaks its wire over HTTP; the client is the one production uses.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

import pytest
from coincurve import PrivateKey
from eth_account import Account

from bascule.chain.signatures import recover
from bascule.chain.tx import UnsignedTx
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Halted, Retryable
from bascule.domain.fees import Fees
from bascule.domain.hashing import keccak
from bascule.signing import aws_kms
from bascule.signing.aws_kms import open_kms_key
from bascule.signing.der import recoverable
from bascule.signing.remote_key import KeyServiceLied, RemoteKey
from tests.support.kms import KeyServiceDouble, kms, refusal, service, signed

__all__ = ["kms", "service"]


@pytest.fixture(scope="module")
def opened(service: KeyServiceDouble) -> RemoteKey:
    return asyncio.run(open_kms_key("alias/lane"))


@pytest.fixture
def key(opened: RemoteKey, kms: KeyServiceDouble) -> RemoteKey:
    return opened


async def test_key_in_kms_is_the_wallet_of_its_public_key(kms: KeyServiceDouble, key: RemoteKey) -> None:
    assert checksum(key.address) == Account.from_key(kms.secret).address


async def test_transaction_signed_by_kms_is_sent_by_that_wallet(
    kms: KeyServiceDouble, key: RemoteKey
) -> None:
    fees = Fees(max_fee_per_gas=9, max_priority_fee_per_gas=1, gas=21_000)

    for nonce in range(20):  # about half of them come with the s that nobody takes
        tx = UnsignedTx(1, nonce, Address(b"\x22" * 20), 0, b"", fees)
        raw = tx.signed(await key.sign(tx.digest())).raw
        assert Account.recover_transaction(raw) == checksum(key.address)

    assert {action for action, _ in kms.asked} == {"TrentService.Sign"}


async def test_kms_hashes_nothing_again(kms: KeyServiceDouble, key: RemoteKey) -> None:
    digest = keccak(b"a transaction")

    await key.sign(digest)

    _, body = kms.asked[-1]
    assert base64.b64decode(body["Message"]) == digest
    assert body["MessageType"] == "DIGEST"


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("KMSInternalException", 500), ("DependencyTimeoutException", 503)],
)
async def test_busy_kms_is_asked_again_and_then_asks_for_patience(
    kms: KeyServiceDouble, key: RemoteKey, code: str, status: int
) -> None:
    kms.next_answers = [refusal(code, status)]
    assert len(await key.sign(b"\x01" * 32)) == 65

    kms.next_answers = [refusal(code, status)] * aws_kms.ATTEMPTS
    with pytest.raises(Retryable, match=code):
        await key.sign(b"\x01" * 32)

    assert len(await key.sign(b"\x01" * 32)) == 65


async def test_kms_that_hangs_is_left_after_its_time(
    kms: KeyServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_kms, "READ_S", 0.1)
    monkeypatch.setattr(aws_kms, "ATTEMPTS", 1)
    key = None
    while key is None:
        with suppress(Retryable):  # a busy machine may be later than that in answering for the service
            key = await open_kms_key("alias/lane")

    kms.awake.clear()
    try:
        with pytest.raises(Retryable, match="does not answer"):
            await key.sign(b"\x01" * 32)
    finally:
        kms.awake.set()


@pytest.mark.parametrize(
    ("code", "to_do"),
    [
        ("DisabledException", "enable the key"),
        ("KMSInvalidStateException", "being deleted"),
        ("AccessDeniedException", "kms:Sign"),
        ("SomethingNobodyKnows", "said the service"),
    ],
)
async def test_refusal_that_needs_a_person_says_what_to_do(
    kms: KeyServiceDouble, key: RemoteKey, code: str, to_do: str
) -> None:
    kms.next_answers = [refusal(code)]

    with pytest.raises(Halted, match=f"{code}.*{to_do}") as halted:
        await key.sign(b"\x01" * 32)

    assert "\n" not in str(halted.value)


async def test_disabled_key_signs_again_once_it_is_enabled(kms: KeyServiceDouble, key: RemoteKey) -> None:
    kms.disabled = True
    with pytest.raises(Halted, match="enable the key"):
        await key.sign(b"\x01" * 32)

    kms.disabled = False
    assert len(await key.sign(b"\x01" * 32)) == 65


async def test_key_of_another_curve_is_no_wallet(kms: KeyServiceDouble) -> None:
    kms.spec = "ECC_NIST_P256"

    with pytest.raises(Halted, match="ECC_NIST_P256 for SIGN_VERIFY; a wallet needs ECC_SECG_P256K1"):
        await open_kms_key("alias/lane")


async def test_key_that_is_not_there_is_named(kms: KeyServiceDouble) -> None:
    with pytest.raises(
        Halted, match=r"alias/other \(NotFoundException\): check the configured key id and the region"
    ):
        await open_kms_key("alias/other")


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(signed(b"\x33" * 32, b"\x01" * 32, high=False), id="of another key"),
        pytest.param(signed(b"\x11" * 32, b"\x02" * 32, high=False), id="of another digest"),
        pytest.param(signed(b"\x11" * 32, b"\x01" * 32, high=False)[:-1], id="cut short"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_signature_that_the_wallet_cannot_have_made_is_never_used(
    kms: KeyServiceDouble, key: RemoteKey, lie: bytes
) -> None:
    kms.next_answers = [(200, {"KeyId": "alias/lane", "Signature": base64.b64encode(lie).decode()})]

    with pytest.raises(KeyServiceLied, match="is refused"):
        await key.sign(b"\x01" * 32)


async def test_no_credentials_is_one_clear_line(
    kms: KeyServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    with pytest.raises(Halted, match="needs credentials"):
        await open_kms_key("alias/lane")


@pytest.mark.slow
async def test_ten_thousand_digests_all_become_signatures_of_the_wallet(
    kms: KeyServiceDouble, key: RemoteKey
) -> None:
    """Another nonce each time, every second s the high one; each r or s that is short also over HTTP."""
    public = PrivateKey(kms.secret).public_key.format(compressed=False)[1:]
    short: dict[str, list[tuple[bytes, bytes, bytes]]] = {"r": [], "s": []}
    for n in range(10_000):
        digest, entropy = keccak(b"digest %d" % n), keccak(b"entropy %d" % n)
        answer = signed(kms.secret, digest, high=n % 2 == 0, entropy=entropy)
        made = recoverable(answer, digest, public)
        assert recover(digest, made) == key.address
        for name, number in (("r", made[:32]), ("s", made[32:64])):
            if number[0] == 0:
                short[name].append((digest, answer, made))

    assert min(map(len, short.values())) >= 20, "every 256th r and every 128th s is short, give or take"
    for digest, answer, made in short["r"] + short["s"]:
        kms.next_answers = [(200, {"KeyId": "alias/lane", "Signature": base64.b64encode(answer).decode()})]
        assert await key.sign(digest) == made
