"""TestDollar behaves as the large stablecoins do, refusals included."""

from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, Contract

TYPES = {
    kind: [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ]
    for kind in ("TransferWithAuthorization", "ReceiveWithAuthorization")
} | {
    "CancelAuthorization": [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}],
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ],
}
SPLIT = "uint8,bytes32,bytes32)"
METHODS = {"TransferWithAuthorization": "transfer", "ReceiveWithAuthorization": "receive"}
FOREVER = 2**256 - 1
NONCE = keccak(b"nonce")


@dataclass(frozen=True)
class Stage:
    """A dollar, its issuer, and a key and that key's contract wallet, each holding 1,000."""

    chain: Chain
    dollar: Contract
    owner: bytes
    payee: bytes
    stranger: bytes
    payer: Any
    wallet: bytes

    @property
    def holder(self) -> bytes:
        return bytes.fromhex(self.payer.address[2:])

    def sign(self, kind: str, message: dict[str, Any], *, key: Any = None) -> Any:
        domain = {
            "name": "Test Dollar", "version": "1",
            "chainId": self.chain.tester.backend.chain.chain_id, "verifyingContract": self.dollar.address,
        }  # fmt: skip
        return (key or self.payer).sign_message(encode_typed_data(domain, {kind: TYPES[kind]}, message))

    def authorization(self, kind: str, **changes: Any) -> tuple[tuple[Any, ...], Any]:
        """An authorization's arguments and its signature, right unless changed."""
        message = {
            "from": self.holder, "to": self.payee, "value": 300,
            "validAfter": 0, "validBefore": FOREVER, "nonce": NONCE,
        } | changes  # fmt: skip
        return tuple(message.values()), self.sign(kind, message)

    def held(self, account: bytes) -> int:
        balance: int = self.dollar.read("balanceOf", account)
        return balance


def method(kind: str, form: str) -> str:
    ending = "bytes)" if form == "bytes" else SPLIT
    return f"{METHODS[kind]}WithAuthorization(address,address,uint256,uint256,uint256,bytes32,{ending}"


def parts(signed: Any, form: str) -> tuple[Any, ...]:
    if form == "bytes":
        return (bytes(signed.signature),)
    return (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))


FORMS = pytest.mark.parametrize("form", ["split", "bytes"])
KINDS = pytest.mark.parametrize("kind", ["TransferWithAuthorization", "ReceiveWithAuthorization"])


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    owner, payee, stranger = chain.accounts[:3]
    dollar = chain.deploy("TestDollar", "Test Dollar", "TUSD", owner)
    payer = Account.from_key(keccak(b"a payer's key"))
    wallet = chain.deploy("quirks/ContractWallet", payer.address).address
    stage = Stage(chain, dollar, owner, payee, stranger, payer, wallet)
    for holder in (stage.holder, wallet, owner):
        dollar.send("mint", holder, 1_000, by=owner)
    return stage


def test_dollar_says_what_it_is_called(stage: Stage) -> None:
    read = stage.dollar.read

    assert (read("name"), read("symbol"), read("decimals")) == ("Test Dollar", "TUSD", 6)
    assert (read("owner"), read("totalSupply"), read("paused")) == (stage.owner, 3_000, False)


def test_issuer_mints_and_says_so(stage: Stage) -> None:
    receipt = stage.dollar.send("mint", stage.payee, 5, by=stage.owner)

    assert stage.dollar.events(receipt) == [
        ("Mint", stage.owner, stage.payee, 5),
        ("Transfer", bytes(20), stage.payee, 5),
    ]
    assert stage.dollar.read("totalSupply") == 3_005


@pytest.mark.parametrize("name", ["mint", "pause", "unpause", "blacklist", "unBlacklist", "announceUpgrade"])
def test_issuers_methods_refuse_everyone_else(stage: Stage, name: str) -> None:
    arguments = {"mint": (stage.stranger, 1), "pause": (), "unpause": ()}.get(name, (stage.stranger,))

    refusal = stage.dollar.refusal(name, *arguments, by=stage.stranger)
    assert refusal == ("OwnableUnauthorizedAccount", stage.stranger)


def test_transfer_moves_no_more_than_is_held(stage: Stage) -> None:
    stage.dollar.send("transfer", stage.payee, 400, by=stage.owner)

    assert (stage.held(stage.owner), stage.held(stage.payee)) == (600, 400)
    refusal = stage.dollar.refusal("transfer", stage.payee, 601, by=stage.owner)
    assert refusal == ("ERC20InsufficientBalance", stage.owner, 600, 601)
    refusal = stage.dollar.refusal("transfer", bytes(20), 1, by=stage.owner)
    assert refusal == ("ERC20InvalidReceiver", bytes(20))


def test_allowance_bounds_what_another_may_spend(stage: Stage) -> None:
    stage.dollar.send("approve", stage.stranger, 100, by=stage.owner)
    stage.dollar.send("transferFrom", stage.owner, stage.payee, 60, by=stage.stranger)

    assert stage.dollar.read("allowance", stage.owner, stage.stranger) == 40
    refusal = stage.dollar.refusal("transferFrom", stage.owner, stage.payee, 41, by=stage.stranger)
    assert refusal == ("ERC20InsufficientAllowance", stage.stranger, 40, 41)


def test_paused_dollar_moves_nothing_by_any_way(stage: Stage) -> None:
    receipt = stage.dollar.send("pause", by=stage.owner)
    assert stage.dollar.events(receipt) == [("Paused", stage.owner)]
    arguments, signed = stage.authorization("TransferWithAuthorization")
    cancel = stage.sign("CancelAuthorization", {"authorizer": stage.holder, "nonce": NONCE})

    for name, given in (
        ("transfer", (stage.payee, 1)),
        ("approve", (stage.payee, 1)),
        ("mint", (stage.payee, 1)),
        ("pause", ()),
        (method("TransferWithAuthorization", "bytes"), (*arguments, bytes(signed.signature))),
        ("cancelAuthorization(address,bytes32,bytes)", (stage.holder, NONCE, bytes(cancel.signature))),
    ):
        assert stage.dollar.refusal(name, *given, by=stage.owner) == ("EnforcedPause",), name
    receipt = stage.dollar.send("unpause", by=stage.owner)
    assert stage.dollar.events(receipt) == [("Unpaused", stage.owner)]
    assert stage.dollar.refusal("unpause", by=stage.owner) == ("ExpectedPause",)
    stage.dollar.send("transfer", stage.payee, 1, by=stage.owner)


def test_blacklisted_account_neither_sends_receives_nor_spends(stage: Stage) -> None:
    dollar, barred = stage.dollar, stage.stranger
    dollar.send("mint", barred, 10, by=stage.owner)
    dollar.send("approve", barred, FOREVER, by=stage.owner)
    receipt = dollar.send("blacklist", barred, by=stage.owner)
    assert dollar.events(receipt) == [("Blacklisted", barred)]
    assert dollar.read("isBlacklisted", barred) is True

    for caller, name, given in (
        (barred, "transfer", (stage.payee, 1)),
        (stage.owner, "transfer", (barred, 1)),
        (stage.owner, "mint", (barred, 1)),
        (barred, "transferFrom", (stage.owner, stage.payee, 1)),
        (barred, "approve", (stage.payee, 1)),
        (stage.owner, "approve", (barred, 1)),
    ):
        assert dollar.refusal(name, *given, by=caller) == ("AccountBlacklisted", barred), name
    receipt = dollar.send("unBlacklist", barred, by=stage.owner)
    assert dollar.events(receipt) == [("UnBlacklisted", barred)]
    dollar.send("transfer", stage.payee, 1, by=barred)


def test_upgrade_is_announced_without_one(stage: Stage) -> None:
    code = stage.chain.code(stage.dollar.address)

    receipt = stage.dollar.send("announceUpgrade", stage.stranger, by=stage.owner)

    assert stage.dollar.events(receipt) == [("Upgraded", stage.stranger)]
    assert stage.chain.code(stage.dollar.address) == code


def test_permit_by_signature_sets_the_allowance_once(stage: Stage) -> None:
    message = {
        "owner": stage.holder, "spender": stage.payee, "value": 70, "nonce": 0, "deadline": FOREVER,
    }  # fmt: skip
    signature = parts(stage.sign("Permit", message), "split")
    given = (stage.holder, stage.payee, 70, FOREVER, *signature)

    stage.dollar.send("permit", *given, by=stage.stranger)

    assert stage.dollar.read("allowance", stage.holder, stage.payee) == 70
    assert stage.dollar.read("nonces", stage.holder) == 1
    refusal = stage.dollar.refusal("permit", *given, by=stage.stranger)
    assert refusal is not None
    assert refusal[0] == "ERC2612InvalidSigner"
    late = (stage.holder, stage.payee, 70, 1, *signature)
    assert stage.dollar.refusal("permit", *late, by=stage.stranger) == ("ERC2612ExpiredSignature", 1)


@KINDS
@FORMS
def test_authorization_moves_money_once_in_both_forms(stage: Stage, kind: str, form: str) -> None:
    arguments, signed = stage.authorization(kind)
    name, given = method(kind, form), (*arguments, *parts(signed, form))

    receipt = stage.dollar.send(name, *given, by=stage.payee)

    assert stage.dollar.events(receipt) == [
        ("AuthorizationUsed", stage.holder, NONCE),
        ("Transfer", stage.holder, stage.payee, 300),
    ]
    assert stage.dollar.read("authorizationState", stage.holder, NONCE) is True
    refusal = stage.dollar.refusal(name, *given, by=stage.payee)
    assert refusal == ("ERC3009UsedAuthorization", stage.holder, NONCE)


@KINDS
@FORMS
def test_authorization_signed_for_other_terms_is_refused(stage: Stage, kind: str, form: str) -> None:
    arguments, signed = stage.authorization(kind)
    more = (*arguments[:2], 301, *arguments[3:])

    refusal = stage.dollar.refusal(method(kind, form), *more, *parts(signed, form), by=stage.payee)
    assert refusal == ("ERC3009InvalidSignature",)


@KINDS
@FORMS
def test_authorization_holds_between_its_two_times_only(stage: Stage, kind: str, form: str) -> None:
    now = stage.chain.now
    for after, before, good in (
        (now, now + 1, False), (now - 1, now, False), (2**47, FOREVER, False), (now - 1, now + 1, True),
    ):  # fmt: skip
        arguments, signed = stage.authorization(kind, validAfter=after, validBefore=before)
        given = (*arguments, *parts(signed, form))
        refusal = stage.dollar.refusal(method(kind, form), *given, by=stage.payee, always=False)
        assert refusal == (None if good else ("ERC3009InvalidAuthorizationTime", after, before))


@FORMS
def test_receive_authorization_is_presented_by_its_payee_alone(stage: Stage, form: str) -> None:
    arguments, signed = stage.authorization("ReceiveWithAuthorization")
    name = method("ReceiveWithAuthorization", form)

    refusal = stage.dollar.refusal(name, *arguments, *parts(signed, form), by=stage.stranger)
    assert refusal == ("ERC20InvalidReceiver", stage.payee)


@FORMS
def test_canceled_authorization_can_no_longer_be_used(stage: Stage, form: str) -> None:
    signed = stage.sign("CancelAuthorization", {"authorizer": stage.holder, "nonce": NONCE})
    name = f"cancelAuthorization(address,bytes32,{'bytes)' if form == 'bytes' else SPLIT}"
    given = (stage.holder, NONCE, *parts(signed, form))

    receipt = stage.dollar.send(name, *given, by=stage.stranger)

    assert stage.dollar.events(receipt) == [("AuthorizationCanceled", stage.holder, NONCE)]
    used = ("ERC3009UsedAuthorization", stage.holder, NONCE)
    assert stage.dollar.refusal(name, *given, by=stage.stranger) == used
    arguments, signed = stage.authorization("TransferWithAuthorization")
    again = stage.dollar.refusal(
        method("TransferWithAuthorization", "bytes"), *arguments, bytes(signed.signature), by=stage.payee
    )
    assert again == used


@FORMS
def test_cancel_signed_by_another_key_is_refused(stage: Stage, form: str) -> None:
    other = Account.from_key(keccak(b"another key"))
    signed = stage.sign("CancelAuthorization", {"authorizer": stage.holder, "nonce": NONCE}, key=other)
    name = f"cancelAuthorization(address,bytes32,{'bytes)' if form == 'bytes' else SPLIT}"

    refusal = stage.dollar.refusal(name, stage.holder, NONCE, *parts(signed, form), by=stage.stranger)
    assert refusal == ("ERC3009InvalidSignature",)


@KINDS
def test_contract_wallet_authorizes_through_its_own_check(stage: Stage, kind: str) -> None:
    arguments, signed = stage.authorization(kind, **{"from": stage.wallet})

    refusal = stage.dollar.refusal(method(kind, "split"), *arguments, *parts(signed, "split"), by=stage.payee)
    assert refusal == ("ERC3009InvalidSignature",)
    stage.dollar.send(method(kind, "bytes"), *arguments, *parts(signed, "bytes"), by=stage.payee)
    assert (stage.held(stage.wallet), stage.held(stage.payee)) == (700, 300)


def test_contract_wallet_cancels_through_its_own_check(stage: Stage) -> None:
    message = {"authorizer": stage.wallet, "nonce": NONCE}
    name = "cancelAuthorization(address,bytes32,bytes)"
    other = stage.sign("CancelAuthorization", message, key=Account.from_key(keccak(b"another key")))
    refusal = stage.dollar.refusal(name, stage.wallet, NONCE, bytes(other.signature), by=stage.stranger)
    assert refusal == ("ERC3009InvalidSignature",)

    own = stage.sign("CancelAuthorization", message)
    stage.dollar.send(name, stage.wallet, NONCE, bytes(own.signature), by=stage.stranger)

    assert stage.dollar.read("authorizationState", stage.wallet, NONCE) is True


def test_blacklisted_holder_cannot_authorize_a_transfer(stage: Stage) -> None:
    stage.dollar.send("blacklist", stage.holder, by=stage.owner)
    arguments, signed = stage.authorization("TransferWithAuthorization")

    refusal = stage.dollar.refusal(
        method("TransferWithAuthorization", "bytes"), *arguments, bytes(signed.signature), by=stage.payee
    )
    assert refusal == ("AccountBlacklisted", stage.holder)


def test_dollar_passes_on_in_two_steps(stage: Stage) -> None:
    stage.dollar.send("transferOwnership", stage.payee, by=stage.owner)
    refusal = stage.dollar.refusal("acceptOwnership", by=stage.stranger)
    assert refusal == ("OwnableUnauthorizedAccount", stage.stranger)
    stage.dollar.send("acceptOwnership", by=stage.payee)

    stage.dollar.send("mint", stage.stranger, 1, by=stage.payee)
    refusal = stage.dollar.refusal("mint", stage.stranger, 1, by=stage.owner)
    assert refusal == ("OwnableUnauthorizedAccount", stage.owner)


@KINDS
@FORMS
def test_authorization_is_void_on_another_dollar(stage: Stage, kind: str, form: str) -> None:
    """The domain names the contract: the same name and terms elsewhere are other terms."""
    other = stage.chain.deploy("TestDollar", "Test Dollar", "TUSD", stage.owner)
    other.send("mint", stage.holder, 1_000, by=stage.owner)
    arguments, signed = stage.authorization(kind)

    refusal = other.refusal(method(kind, form), *arguments, *parts(signed, form), by=stage.payee)
    assert refusal == ("ERC3009InvalidSignature",)
