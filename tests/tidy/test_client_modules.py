"""The Python client's generated modules are what the OpenAPI document says."""

from bascule.entrypoints import docs_client
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.openapi import document
from tests.support.source import ROOT


def test_client_has_a_method_for_each_operation_and_a_type_for_each_object() -> None:
    described = document(OPERATIONS, "http://127.0.0.1:8000")
    folder = ROOT / docs_client.FOLDER

    assert (folder / "objects.py").read_text(encoding="utf-8") == docs_client.objects(described), (
        "run `make docs`"
    )
    written = (folder / "resources.py").read_text(encoding="utf-8")
    assert written == docs_client.resources(described), "run `make docs`"
    answered = [
        operation["responses"]["200"]["content"]
        for path, methods in described["paths"].items()
        if path.startswith("/v1/")
        for operation in methods.values()
    ]
    ending = [content for content in answered if "text/event-stream" not in content]
    assert written.count("        return ") == len(ending)
