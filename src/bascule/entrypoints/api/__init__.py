"""The REST API: requests in, rows out; it decides nothing that the services do not decide."""

from bascule.entrypoints.api.app import create_app
from bascule.entrypoints.api.deps import ApiDeps

__all__ = ["ApiDeps", "create_app"]
