"""The client's own rules: which error is which class, what is sent again, how parameters are written."""

import pytest

from bascule.client import retries
from bascule.client.encode import query, segment
from bascule.client.errors import BY_TYPE, ApiError, refusal
from bascule.entrypoints.api.problems import TABLE


def test_every_type_of_error_the_api_has_is_a_class_of_its_own() -> None:
    assert {kind for _, _, kind, _ in TABLE} <= set(BY_TYPE)
    assert len(set(BY_TYPE.values())) == len(BY_TYPE)
    assert type(refusal(418, {"error": {"type": "new_error", "code": "new"}}, {})) is ApiError


@pytest.mark.parametrize(
    ("status", "told", "again"),
    [
        (400, None, False), (401, None, False), (404, None, False), (409, "false", False), (409, None, False),
        (409, "true", True), (429, None, True), (500, "false", True), (502, None, True), (503, "true", True),
    ],
)  # fmt: skip
def test_only_what_may_succeed_later_is_sent_again(status: int, told: str | None, again: bool) -> None:
    assert retries.again(status, {} if told is None else {"x-should-retry": told}) is again


def test_pause_is_what_the_api_asks_else_it_doubles_up_to_its_bound() -> None:
    assert retries.wait(1, {"retry-after": "7"}, 0.5) == 7
    assert retries.wait(1, {"retry-after": "3600"}, 0.5) is None
    assert [retries.wait(n, {}, 0) for n in (1, 2, 3, 6, 20)] == [0.25, 0.5, 1, 8, 8]
    assert retries.wait(1, {"retry-after": "soon"}, 1) == 0.125


def test_parameters_are_written_as_the_api_reads_them() -> None:
    asked = {"limit": 3, "types": ["a", "b"], "created": {"gte": 1, "lt": 2}, "none": None, "live": True}

    assert query(asked) == [
        ("limit", "3"), ("types[]", "a"), ("types[]", "b"), ("created[gte]", "1"), ("created[lt]", "2"),
        ("live", "true"),
    ]  # fmt: skip
    assert segment("pi_1/../x?y") == "pi_1%2F..%2Fx%3Fy"
