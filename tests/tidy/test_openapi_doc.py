"""docs/api/openapi.json is what the operations say."""

import json

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.openapi import document
from tests.support.source import ROOT


def test_openapi_page_is_in_step_with_the_operations() -> None:
    page = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text(encoding="utf-8"))

    assert page == json.loads(json.dumps(document(OPERATIONS, "http://127.0.0.1:8000"))), "run `make docs`"
