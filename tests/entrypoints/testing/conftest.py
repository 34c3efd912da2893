"""The plugin's fixtures, as engineers outside get them by `pytest_plugins`."""

from bascule.testing import bascule_templates, bridge, chain

__all__ = ["bascule_templates", "bridge", "chain"]
