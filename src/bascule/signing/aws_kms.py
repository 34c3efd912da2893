"""AWS KMS as a key service. Credentials, region and endpoint are found as every AWS client finds them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bascule.domain.errors import Halted, Retryable
from bascule.signing.remote_key import RemoteKey

KEY_SPEC = "ECC_SECG_P256K1"
ALGORITHM = "ECDSA_SHA_256"  # the name of 32-byte digests on this curve; with DIGEST nothing is hashed
CONNECT_S, READ_S, ATTEMPTS = 2, 5, 3

# Error codes of Sign and GetPublicKey (AWS KMS API reference) that pass by themselves.
_PASSING = frozenset(
    {
        "ThrottlingException", "Throttling", "TooManyRequestsException", "LimitExceededException",
        "RequestLimitExceeded", "KMSInternalException", "DependencyTimeoutException",
        "KeyUnavailableException", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException",
        "ExpiredTokenException", "ExpiredToken", "RequestExpired",
    }
)  # fmt: skip
_TO_DO = {
    "DisabledException": "enable the key, or point the signer at another one",
    "KMSInvalidStateException": "the key is being deleted or not imported yet",
    "NotFoundException": "check the configured key id and the region",
    "AccessDeniedException": "allow the signer's role kms:Sign and kms:GetPublicKey on this key",
    "InvalidKeyUsageException": "make a key for SIGN_VERIFY",
}


async def open_kms_key(key_id: str) -> RemoteKey:
    """The wallet of an AWS KMS key (id, ARN or alias). Raises: Retryable, Halted in one line each."""
    return await RemoteKey.open(await asyncio.to_thread(AwsKms, key_id))


class AwsKms:
    """One key of AWS KMS. The client is made once; each call has a thread, as the library is blocking."""

    def __init__(self, key_id: str) -> None:
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
            from botocore.session import get_session
        except ImportError:
            raise Halted("AWS KMS needs the extra: install bascule[kms]") from None
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        self._key_id = key_id
        try:
            self._client: Any = get_session().create_client("kms", config=config)
        except (
            BotoCoreError,
            ValueError,
        ) as error:  # no region, an endpoint that is no URL, a broken profile
            raise Halted(f"AWS KMS cannot be used: {error}") from None

    async def public_key(self) -> bytes:
        """The key's SubjectPublicKeyInfo. Raises: Retryable, Halted (also for a key of another kind)."""
        told = await self._call("get_public_key")
        kind, usage = told.get("KeySpec"), told.get("KeyUsage")
        if kind != KEY_SPEC or usage != "SIGN_VERIFY":
            raise Halted(f"the KMS key {self._key_id} is {kind} for {usage}; a wallet needs {KEY_SPEC}")
        return _bytes(told, "PublicKey")

    async def sign(self, digest: bytes) -> bytes:
        """DER of r and s over the digest. Raises: Retryable, Halted."""
        told = await self._call(
            "sign", Message=digest, MessageType="DIGEST", SigningAlgorithm=ALGORITHM
        )  # fmt: skip
        return _bytes(told, "Signature")

    async def _call(self, name: str, **parameters: object) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            told: Mapping[str, Any] = await asyncio.to_thread(
                getattr(self._client, name), KeyId=self._key_id, **parameters
            )
        except ClientError as error:
            raise _as_ours(self._key_id, error.response) from None
        except NoCredentialsError:
            raise Halted(
                "AWS KMS needs credentials: give the signer's process a role that may sign"
            ) from None
        except BotoCoreError as error:  # no connection, time out, credentials that are being fetched anew
            raise Retryable(f"AWS KMS does not answer: {error}") from None
        return told


def _as_ours(key_id: str, answer: Mapping[str, Any]) -> Retryable | Halted:
    told = answer.get("Error", {})
    code, status = str(told.get("Code")), answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= 500:
        return Retryable(f"AWS KMS asks for patience: {code}")
    what = _TO_DO.get(code, str(told.get("Message")) or "see the AWS KMS reference")
    return Halted(f"AWS KMS refuses the key {key_id} ({code}): {what}")


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    value = told.get(name)
    if not isinstance(value, bytes):
        raise Retryable(f"AWS KMS left {name} out of its answer")
    return value
