"""A key service that speaks as AWS KMS does over HTTP, and can be told to misbehave as it may."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from coincurve import PrivateKey
from coincurve.utils import DEFAULT_NONCE, ffi

SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Answer = tuple[int, dict[str, Any]]


def der(r: int, s: int) -> bytes:
    """ECDSA-Sig-Value: two positive integers, each as short as it can be."""

    def integer(value: int) -> bytes:
        octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"\x02" + bytes([len(octets)]) + octets

    body = integer(r) + integer(s)
    return b"\x30" + bytes([len(body)]) + body


def signed(secret: bytes, digest: bytes, *, high: bool, entropy: bytes | None = None) -> bytes:
    """The signature over a digest in DER, with the s that was asked for; with entropy, another each time."""
    nonce = DEFAULT_NONCE if entropy is None else (ffi.NULL, ffi.new("unsigned char[32]", entropy))
    compact = PrivateKey(secret).sign_recoverable(digest, hasher=None, custom_nonce=nonce)
    r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")
    return der(r, ORDER - s if high else s)


def refusal(code: str, status: int = 400) -> Answer:
    """An error as the service words it."""
    return status, {"__type": code, "message": f"{code}, said the service"}


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class KeyServiceDouble:
    """One key, `alias/lane`.

    next_answers: said instead of the truth, one request each; signs_not: the error of every Sign, if any;
    asked: what came; awake: while it is cleared, no Sign gets an answer.
    """

    url: str
    secret: bytes = b"\x11" * 32
    spec: str = "ECC_SECG_P256K1"
    disabled: bool = False
    signs_not: str = ""
    next_answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    awake: threading.Event = field(default_factory=_set)

    def answer(self, action: str, body: dict[str, Any]) -> Answer:
        """What this request gets."""
        self.asked.append((action, body))
        if self.next_answers:
            return self.next_answers.pop(0)
        if body.get("KeyId") != "alias/lane":
            return refusal("NotFoundException")
        if self.disabled:
            return refusal("DisabledException")
        known: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "TrentService.GetPublicKey": self._public_key,
            "TrentService.Sign": self._sign,
        }
        return known[action](body)

    def _public_key(self, body: dict[str, Any]) -> Answer:
        spki = SPKI + PrivateKey(self.secret).public_key.format(compressed=False)
        told = {"KeySpec": self.spec, "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_256"]}
        return 200, {**told, "KeyId": body["KeyId"], "PublicKey": base64.b64encode(spki).decode()}

    def _sign(self, body: dict[str, Any]) -> Answer:
        self.awake.wait()
        if self.signs_not:
            return refusal(self.signs_not)
        digest = base64.b64decode(body["Message"])
        if (
            body["MessageType"] != "DIGEST"
            or body["SigningAlgorithm"] != "ECDSA_SHA_256"
            or len(digest) != 32
        ):
            return refusal("ValidationException")
        # as the service does: other bytes each time, and either s
        entropy = os.urandom(32)
        signature = signed(self.secret, digest, high=entropy[0] % 2 == 0, entropy=entropy)
        return 200, {"KeyId": body["KeyId"], "Signature": base64.b64encode(signature).decode()}


@pytest.fixture(scope="module")
def service() -> Iterator[KeyServiceDouble]:
    """The double, where every AWS client of this process looks for the service."""
    with key_service() as double, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_KMS", double.url)
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield double


@pytest.fixture
def kms(service: KeyServiceDouble) -> KeyServiceDouble:
    """The double as it is at first; a client of it is worth keeping, as making one takes 0.3 s."""
    vars(service).update(vars(KeyServiceDouble(service.url)))
    return service


@contextmanager
def key_service() -> Iterator[KeyServiceDouble]:
    """The double, listening on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not self.headers["authorization"].startswith("AWS4-HMAC-SHA256 "):
                status, told = refusal("MissingAuthenticationToken", 403)
            else:
                status, told = double.answer(self.headers["x-amz-target"], body)
            raw = json.dumps(told).encode()
            with suppress(ConnectionError):  # who asked has hung up
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double = KeyServiceDouble(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.awake.set()
        server.shutdown()
        thread.join()
        server.server_close()
