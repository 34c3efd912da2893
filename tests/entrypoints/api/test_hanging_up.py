"""A client that hangs up before its body has come: nobody reads the answer, and nothing went wrong here."""

from typing import Any

import pytest
import structlog

from bascule.entrypoints.api import create_app
from tests.support.api import Shop


@pytest.mark.parametrize("path", ["/v1/payment_intents", "/r/none"])
async def test_who_hangs_up_in_the_middle_of_a_body_is_no_fault_of_ours_and_changes_nothing(
    shop: Shop, path: str
) -> None:
    before, answered = await shop.rows(), []
    said = iter(
        [{"type": "http.request", "body": b'{"amount":', "more_body": True}, {"type": "http.disconnect"}]
    )
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [
            (b"authorization", f"Bearer {shop.secret}".encode()), (b"content-type", b"application/json")
        ],
    }  # fmt: skip

    async def receive() -> Any:
        return next(said)

    async def send(message: Any) -> None:
        answered.append(message.get("status"))

    with structlog.testing.capture_logs() as told:
        await create_app(shop.deps)(scope, receive, send)

    assert answered[0] == 499
    assert [each for each in told if each["log_level"] != "info"] == []
    assert await shop.rows() == before
