"""What every page shares: templates, files, and headers that let nothing in from outside."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.responses import Response

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": CSP, "referrer-policy": "no-referrer"}
# A page with a form, which goes back to where it came from.
FORM_HEADERS = HEADERS | {"content-security-policy": CSP.replace("form-action 'none'", "form-action 'self'")}
ASSETS = {"bascule.css": "text/css", "checkout.js": "text/javascript"}


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("bascule.entrypoints.web"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def asset(name: str) -> bytes:
    """A file of the pages: style or script."""
    return files("bascule.entrypoints.web").joinpath("static", name).read_bytes()


def page(
    template: str,
    *,
    status: int = 200,
    private: bool = False,
    headers: Mapping[str, str] = HEADERS,
    **values: Any,
) -> Response:
    """A rendered template; everything put into it is escaped. private: no cache keeps it."""
    text = _templates().get_template(template).render(**values)
    headers = {**headers} | ({"cache-control": "no-store"} if private else {})
    return Response(text, status, headers, "text/html")
