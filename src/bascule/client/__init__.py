"""The merchant's side of the API in Python: one typed method per operation, and no more.

    from bascule.client import Client

    bascule = Client("sk_test_…", base_url="http://127.0.0.1:8000")
    intent = bascule.payment_intents.create(amount="25.00", currency="usdc")

Methods and answers are generated from the OpenAPI document (`resources.py`, `objects.py`). Answers are plain
dictionaries; fields that a later version adds are in them too. Every POST carries an `Idempotency-Key`, and
what may succeed later is sent again under the same one. This package imports nothing else of bascule.
"""

from bascule.client import objects
from bascule.client.api import Client
from bascule.client.errors import (
    ApiError,
    AuthenticationError,
    ClientError,
    ConflictError,
    ConnectionLost,
    IdempotencyError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SignatureInvalid,
)
from bascule.client.pages import Page
from bascule.client.webhooks import construct_event

__all__ = [
    "ApiError",
    "AuthenticationError",
    "Client",
    "ClientError",
    "ConflictError",
    "ConnectionLost",
    "IdempotencyError",
    "InvalidRequestError",
    "Page",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "SignatureInvalid",
    "construct_event",
    "objects",
]
