"""Every value an operator can set: its name, unit, default and meaning, a file for each group of them.

`load(environ)` reads `BASCULE_<NAME>` from the environment over the TOML file that `BASCULE_CONFIG` names.
A value that cannot be used stops the start with `BadConfiguration`, which names it and shows a right one.
Only wiring imports this module.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.settings import parse
from bascule.settings.connections import Connections
from bascule.settings.custody import Custody
from bascule.settings.parse import BadConfiguration, ChainSettings
from bascule.settings.serving import Serving
from bascule.settings.upkeep import Upkeep

__all__ = ["BadConfiguration", "ChainSettings", "Settings", "Shown", "load"]

PREFIX = "BASCULE_"


@dataclass(frozen=True)
class Settings(Upkeep, Serving, Custody, Connections):  # the last one's values are shown first
    """What one process was told. Field `x` is `BASCULE_X` in the environment and `x` in the file."""

    def database_of(self, role: str) -> str:
        """The URL of a role: its own, else the general one. Raises: BadConfiguration when neither is set."""
        url = getattr(self, f"database_url_{role}") or self.database_url
        return str(url) if url else self.need(f"database_url_{role}")

    def need(self, name: str) -> Any:
        """A value this process cannot do without. Raises: BadConfiguration naming it, with an example."""
        if (found := getattr(self, name)) in (None, ()):
            about = _about(name)
            raise BadConfiguration(
                PREFIX + name.upper(), f"is not set ({about['meaning']})", about["example"]
            )
        return found

    def keeping(self, *secrets: str) -> Settings:
        """The same settings without any secret but these, for a process that must not know the others'."""
        others = [f for f in dataclasses.fields(self) if f.metadata["secret"] and f.name not in secrets]
        defaults: dict[str, Any] = {field.name: field.default for field in others}
        return dataclasses.replace(self, **defaults)

    def chain(self, chain_id: int) -> ChainSettings:
        """The nodes of one network. Raises: BadConfiguration when none is configured."""
        for chain in self.chains:
            if chain.id == chain_id:
                return chain
        raise BadConfiguration(
            f"{PREFIX}CHAINS", f"names no node of chain {chain_id}", f"{chain_id}=http://127.0.0.1:8545"
        )

    def shown(self) -> list[Shown]:
        """Every value as `bascule doctor` prints it; secrets say only whether they are set."""
        return [_show(field, getattr(self, field.name)) for field in dataclasses.fields(self)]


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting for people."""

    name: str
    value: str
    unit: str
    default: str
    meaning: str


def load(environ: Mapping[str, str]) -> Settings:
    """Settings of an environment over its optional file. Raises: BadConfiguration."""
    known = {field.name: field for field in dataclasses.fields(Settings)}
    raw: dict[str, tuple[str, Any]] = {}
    if path := environ.get(f"{PREFIX}CONFIG"):
        for name, given in _file(Path(path)).items():
            if name not in known:
                raise BadConfiguration(
                    name, f"is not a setting (in {path})", f"one of {', '.join(sorted(known))}"
                )
            raw[name] = (f"{name} in {path}", given)
    for name in known:
        if (given := environ.get(PREFIX + name.upper())) is not None:
            raw[name] = (PREFIX + name.upper(), given)
    found = {}
    for name, (where, given) in raw.items():
        about = known[name].metadata
        try:
            found[name] = about["read"](parse.resolved(given, environ))
        except ValueError as error:
            raise BadConfiguration(where, str(error), about["example"]) from None
    return Settings(**found)


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(
            f"{PREFIX}CONFIG", f"cannot be read: {error.strerror}", "/etc/bascule.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{PREFIX}CONFIG", f"is not TOML: {error}", "api_port = 8000") from None


def _about(name: str) -> Mapping[str, Any]:
    return next(field.metadata for field in dataclasses.fields(Settings) if field.name == name)


def _show(field: dataclasses.Field[Any], given: Any) -> Shown:
    about = field.metadata
    if about["secret"]:
        text = "set" if given else "not set"
        if field.name == "chains" and given:
            text = ", ".join(f"{chain.id} ({len(chain.rpc)} nodes)" for chain in given)
    else:
        many = isinstance(given, tuple)
        text = "not set" if given in (None, ()) else ", ".join(map(str, given)) if many else str(given)
    default = "none" if field.default in (None, ()) else str(field.default)
    return Shown(PREFIX + field.name.upper(), text, about["unit"], default, about["meaning"])
