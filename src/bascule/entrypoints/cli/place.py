"""Which installation a command is about: the environment's, else the development one in this folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:  # wiring is heavy, and most of the command line does without
    from bascule.entrypoints.wiring import Settings

DEV_FOLDER = Path(".bascule")
DATA_DIR = "BASCULE_DATA_DIR"


def config_file() -> Path | None:
    """The configuration file of that installation; None when the environment alone configures it."""
    if given := os.environ.get("BASCULE_CONFIG"):
        return Path(given)
    configured = any(name.startswith("BASCULE_") and name != DATA_DIR for name in os.environ)
    found = data_folder() / "bascule.toml"
    return found if not configured and found.exists() else None


def loaded_settings() -> Settings:
    """Settings of the environment; where it configures nothing, of the development installation's folder."""
    environ = dict(os.environ)
    if (file := config_file()) is not None:
        environ["BASCULE_CONFIG"] = str(file)
    from bascule.entrypoints import wiring

    return wiring.load(environ)


def data_folder() -> Path:
    """The development installation's folder: BASCULE_DATA_DIR, beside BASCULE_CONFIG, or `.bascule`."""
    if given := os.environ.get(DATA_DIR):
        return Path(given)
    config = os.environ.get("BASCULE_CONFIG")
    return Path(config).parent if config else DEV_FOLDER


def remembered(name: str) -> Any:
    """What the development installation keeps under a name. Raises: CommandFailed when there is none."""
    path = data_folder() / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise CommandFailed(
            f"there is no development installation in {data_folder()}",
            "run `bascule dev` here, or set BASCULE_DATA_DIR to its folder",
            code=USAGE,
        ) from None
