"""The travel rule: who originates a transfer and who benefits from it, as data that is carried and exported.

What Regulation (EU) 2023/1113, Article 14, and FATF Recommendation 16 name: a name, an account or address
of a ledger, a postal address, and the provider on that side. Nothing of it is checked against the world.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bascule.domain.errors import Rejected

LONGEST = {"name": 140, "account_reference": 140, "address": 350, "country": 2, "vasp": 140}


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a transfer. account_reference: an account, or an address of a ledger; address: postal;
    country: ISO 3166-1 alpha-2; vasp: the provider of that side, by name or LEI.
    """

    name: str
    account_reference: str | None = None
    address: str | None = None
    country: str | None = None
    vasp: str | None = None


def party(side: str, said: Mapping[str, str | None]) -> Party:
    """What was said of one side. Raises: Rejected `travel_rule_invalid`; the field is named, never quoted."""
    found = {
        name: _text(f"{side}.{name}", text, LONGEST[name]) for name, text in said.items() if text is not None
    }
    if "name" not in found:
        raise _invalid(f"{side}.name", "A party has a name.")
    country = found.get("country")
    if country is not None and not (len(country) == 2 and country.isascii() and country.isupper()):
        raise _invalid(f"{side}.country", "A country has two letters, such as DE.")
    return Party(**found)


def _text(param: str, text: str, longest: int) -> str:
    clean = text.strip()
    if not clean or len(clean) > longest:
        raise _invalid(param, f"1 to {longest} characters.")
    if any(unicodedata.category(each).startswith("C") for each in clean):
        raise _invalid(param, "One line of text, without control characters.")
    return clean


def _invalid(param: str, message: str) -> Rejected:
    return Rejected("travel_rule_invalid", message, param=param)
