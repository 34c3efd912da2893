import json
from datetime import UTC, datetime, timedelta
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from bascule.domain import webhook
from bascule.domain.webhook import EventType, delay_before, envelope, next_attempt_at

SECRET = webhook.new_secret(bytes(range(32)))
OTHER = webhook.new_secret(bytes(reversed(range(32))))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_signature_is_the_one_standard_webhooks_computes() -> None:
    # The worked example of the Standard Webhooks specification's reference libraries.
    signature = webhook.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=3))
def test_a_standard_receiver_verifies_either_secret_during_rotation(content: dict[str, int]) -> None:
    body = json.dumps(content).encode()
    sent = webhook.headers([SECRET, OTHER], "evt_1", int(time()), body)

    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(body, sent) == content


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret"])
def test_a_standard_receiver_refuses_anything_changed(change: str) -> None:
    sent = webhook.headers([SECRET], "evt_1", int(time()), b"{}")
    if change in ("id", "timestamp"):
        sent[f"webhook-{change}"] = {"id": "evt_2", "timestamp": str(int(time()) + 1)}[change]

    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER if change == "secret" else SECRET).verify(b"{ }" if change == "body" else b"{}", sent)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_is_made_of_exactly_32_bytes(length: int) -> None:
    with pytest.raises(AssertionError):
        webhook.new_secret(bytes(length))


def test_ten_attempts_take_about_seventy_six_hours() -> None:
    waits = [delay_before(attempt) for attempt in range(1, 11)]

    assert sum((wait for wait in waits if wait is not None), timedelta()) == timedelta(
        hours=75, minutes=35, seconds=5
    )
    assert waits[0] == timedelta(0)
    assert delay_before(11) is None


@given(st.integers(1, 10), st.floats(-1, 1))
def test_jitter_moves_an_attempt_by_a_tenth_at_most(attempt: int, jitter: float) -> None:
    plain, moved = delay_before(attempt), delay_before(attempt, jitter)

    assert plain is not None
    assert moved is not None
    assert abs(moved - plain) <= plain / 10 + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("attempts", "retry_after", "wait"),
    [
        (1, None, 5),
        (1, 4, 5),
        (1, 90, 90),
        (1, -5, 5),
        (1, 10**9, 86_400),
        (9, None, 86_400),
    ],
)
def test_retry_after_only_makes_the_wait_longer(attempts: int, retry_after: int | None, wait: int) -> None:
    assert next_attempt_at(NOW, attempts, 0.0, retry_after) == NOW + timedelta(seconds=wait)


def test_after_the_tenth_attempt_there_is_none() -> None:
    assert next_attempt_at(NOW, 10, 0.0, 60) is None


def test_the_envelope_has_the_documented_fields() -> None:
    sent = envelope(
        api_version="2026-12-01",
        event_id="evt_1",
        event_type=EventType.INTENT_SUCCEEDED,
        created_at=NOW,
        livemode=False,
        account="acct_1",
        account_sequence=7,
        object_version=3,
        request={"id": "req_1", "idempotency_key": None},
        data_object={"id": "pi_1"},
        previous_attributes={"status": "processing"},
    )

    assert json.loads(json.dumps(sent)) == {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "timestamp": "2026-11-21T12:00:00Z",
        "created": 1795262400,
        "livemode": False,
        "api_version": "2026-12-01",
        "account": "acct_1",
        "account_sequence": 7,
        "object_version": 3,
        "request": {"id": "req_1", "idempotency_key": None},
        "data": {"object": {"id": "pi_1"}, "previous_attributes": {"status": "processing"}},
    }


def test_event_types_are_an_object_and_a_fact() -> None:
    for event_type in EventType:
        thing, _, fact = event_type.value.rpartition(".")
        assert thing
        assert fact.replace("_", "").isalpha()
