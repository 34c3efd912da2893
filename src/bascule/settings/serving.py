"""What a process serves, to whom, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.settings import parse
from bascule.settings.value import value


@dataclass(frozen=True)
class Serving:
    """What a process serves, to whom, and what it says of itself."""

    api_host: str = value(
        "127.0.0.1", parse.text, unit="address", meaning="where the API listens", example="10.0.0.5"
    )
    api_port: int = value(8000, parse.port, unit="TCP port", meaning="where the API listens", example="8000")
    public_url: str = value(
        "http://127.0.0.1:8000", parse.http_url, unit="URL",
        meaning="how customers reach the API, for checkout links", example="https://pay.example",
    )  # fmt: skip
    api_pepper: str | None = value(
        None, parse.long_secret, unit="text, 32 characters or more", secret=True,
        meaning="key of the HMAC under which API keys are stored", example="openssl rand -hex 32",
    )  # fmt: skip
    webhook_allow_local: bool = value(
        False, parse.boolean, unit="true or false",
        meaning="webhooks may go to loopback and plain http; refused beside a live key", example="false",
    )  # fmt: skip
    sandbox: bool = value(
        False, parse.boolean, unit="true or false",
        meaning="/v1/test_helpers may pay and misbehave on development chains; refused beside anything live",
        example="false",
    )  # fmt: skip
    rate_limit_test: int = value(
        25, parse.between(0, 100_000), unit="requests a second and API process",
        meaning="how fast a test key may ask, an account four times as fast; 0 is no limit", example="25",
    )  # fmt: skip
    rate_limit_live: int = value(
        100, parse.between(0, 100_000), unit="requests a second and API process",
        meaning="how fast a live key may ask, an account four times as fast; 0 is no limit", example="100",
    )  # fmt: skip
    rate_limit_money_out: int = value(
        10, parse.between(0, 100_000), unit="requests a second and API process",
        meaning="how fast an account may ask for what moves money out; 0 is no limit", example="10",
    )  # fmt: skip
    rate_limit_unknown: int = value(
        10, parse.between(0, 100_000), unit="requests a second and API process",
        meaning="how fast an address may ask without a key that is known; 0 is no limit", example="10",
    )  # fmt: skip
    webhook_timeout_s: float = value(
        15.0, parse.seconds, unit="seconds", meaning="how long a webhook receiver may take", example="15"
    )
    webhook_in_flight: int = value(
        2_000, parse.between(1, 100_000), unit="webhooks",
        meaning="how many may wait for slow receivers at once, beside 256 for quick ones",
        example="2000",
    )  # fmt: skip
    metrics_host: str = value(
        "127.0.0.1", parse.text, unit="address", meaning="where a process serves /metrics", example="10.0.0.5"
    )
    metrics_port: int | None = value(
        None, parse.between(0, 65_535), unit="TCP port",
        meaning="where a process serves /metrics, /healthz and /readyz; 0 takes a free one, none is none",
        example="9464",
    )  # fmt: skip
    ready_lag_s: float = value(
        60.0, parse.seconds, unit="seconds",
        meaning="how far behind its chain a network may be before /readyz says so", example="60",
    )  # fmt: skip
    log_level: str = value(
        "info", parse.one_of("debug", "info", "warning", "error"), unit="level",
        meaning="the least important line that is still written", example="info",
    )  # fmt: skip
    failpoints: tuple[tuple[str, int], ...] = value(
        (), parse.failpoints, unit="NAME=HIT, separated by commas",
        meaning="where a process of a test installation kills itself", example="watcher.after_commit=1",
    )  # fmt: skip
