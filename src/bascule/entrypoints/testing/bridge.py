"""A whole bridge for one test, as a merchant and a treasury use it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from bascule.client import Client
from bascule.domain.chain import caip2, parse_address
from bascule.entrypoints.accepting import accept
from bascule.entrypoints.mailbox import Delivery
from bascule.entrypoints.testing import inside
from bascule.entrypoints.testing.chain import USDC, Chain
from bascule.services.reconciler import describe
from bascule.storage import networks
from bascule.storage.database import Database

MERCHANT = "merchant"
SETTLE_S = 20.0


class Bridge:
    """API, workers, signer, database and chain of one test; a demo merchant and a treasury with keys.

    Reach it as your product does: HTTP at `api_url` with `secret_key`. Webhooks go to `webhook_url`, which
    verifies and keeps them, and to every endpoint you register yourself. Between `settle` calls nothing moves
    but the API, so that a test sees each state it asks for.
    """

    def __init__(
        self,
        chain: Chain,
        within: inside.Inside,
        place: inside.Place,
        ready: Mapping[str, Any],
    ) -> None:
        self._run = chain.background.run
        self._inside, self._ready = within, ready
        self._clients: dict[str, Client] = {}
        self.chain = chain
        self.api_url: str = within.api_url
        self.secret_key: str = ready["secret_key"]
        self.publishable_key: str = ready["publishable_key"]
        self.treasury_key: str = ready["treasury"]["secret_key"]
        self.webhook_url = f"{within.mailbox_url}/{MERCHANT}"
        self.network = caip2(chain.chain_id)
        self.database_url: str = place.owner_url

    @property
    def webhook_secret(self) -> str:
        """The `whsec_…` under which `deliveries` are signed."""
        return self._inside.mailbox.secrets[MERCHANT]

    def request(self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str = "") -> Any:
        """One request to the API with the merchant's key, or another. Raises: bascule.client.ApiError."""
        return self.client(key).request(method, path, body)

    def client(self, key: str = "") -> Client:
        """The API with typed methods, for the merchant's key or another."""
        key = key or self.secret_key
        if key not in self._clients:
            self._clients[key] = Client(key, base_url=self.api_url)
        return self._clients[key]

    def close(self) -> None:
        """Closes what it asked the API with."""
        for client in self._clients.values():
            client.close()

    def create_intent(self, amount: str, currency: str = USDC, **fields: Any) -> dict[str, Any]:
        """A new payment intent of the merchant's."""
        body = {"amount": amount, "currency": currency, **fields}
        answer: dict[str, Any] = self.request("POST", "/v1/payment_intents", body)
        return answer

    def intent(self, intent: Mapping[str, Any] | str) -> dict[str, Any]:
        """The intent as it is now, by its id or by an earlier answer."""
        name = intent if isinstance(intent, str) else intent["id"]
        answer: dict[str, Any] = self.request("GET", f"/v1/payment_intents/{name}")
        return answer

    def pay(self, intent: Mapping[str, Any], amount: str | None = None, *, payer: int = 0) -> str:
        """Offers a payment to the intent's address; `mine` puts it on the chain. Returns its hash.

        amount: decimal string, else what is missing. payer: one of `chain.accounts`.
        """
        now = self.intent(intent)
        action = now["next_action"]
        if action is None:
            raise ValueError(f"{now['id']} is {now['status']} and waits for no payment")
        details = action["display_deposit_details"]["deposit_addresses"][self.network]
        token = details["supported_tokens"][0]
        return self.chain.pay(details["address"], token["contract"], amount or token["amount"], payer=payer)

    def mine(self, blocks: int = 1) -> int:
        """Mines; the first block takes what waits. Returns the new head's number."""
        return self.chain.mine(blocks)

    def reorg(self, depth: int = 1, drop: Collection[str] = ()) -> int:
        """As `chain.reorg`: the last blocks are replaced, without the transactions in `drop`."""
        return self.chain.reorg(depth, drop)

    def advance(self, seconds: int) -> None:
        """Time moves on for the chain (by one block) and the services; `settle` does what is due."""
        self.chain.advance(seconds)

    def settle(self, within: float = SETTLE_S) -> None:
        """Lets the services work until they have nothing to do: every block read, every webhook answered.

        Mines nothing and moves no time. Raises: NotSettled after `within` seconds; it says what still waits.
        """
        self.chain.catch_up()
        self._run(self._inside.settle(within))

    def finalize(self, within: float = SETTLE_S) -> None:
        """Settles, mines until all there is now is final, and settles: money is booked, payouts are paid."""
        self.settle(within)
        self.chain.finalize()
        self.settle(within)

    @property
    def deliveries(self) -> list[Delivery]:
        """Every webhook that reached `webhook_url`, verified, repeated ones too: raw body and headers."""
        return list(self._inside.mailbox.deliveries)

    def events(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The merchant's events so far, of one type or all, each once; only what was received counts."""
        found = [dict(event) for event in self._inside.mailbox.events]
        return [event for event in found if event_type in (None, event["type"])]

    def answer_webhooks(self, status: int) -> None:
        """What `webhook_url` answers from now on; with 500 the bridge will try again, later."""
        self._inside.mailbox.answers = status

    def create_payout(self, amount: str, to: str, currency: str = USDC, **fields: Any) -> dict[str, Any]:
        """A new payout by the treasury, which waits for two approvals."""
        body = {"amount": amount, "currency": currency, "network": self.network, "to": to, **fields}
        answer: dict[str, Any] = self.request("POST", "/v1/payouts", body, key=self.treasury_key)
        return answer

    def payout(self, payout: Mapping[str, Any] | str) -> dict[str, Any]:
        """The payout as it is now."""
        name = payout if isinstance(payout, str) else payout["id"]
        answer: dict[str, Any] = self.request("GET", f"/v1/payouts/{name}", key=self.treasury_key)
        return answer

    def approve(self, payout: Mapping[str, Any], *, approver: int = 0) -> dict[str, Any]:
        """One of the three approvers signs the payout (EIP-712) as it stands now."""
        from bascule.entrypoints.cli.people import sign_typed_data

        now = self.payout(payout)
        action = now["next_action"]
        if action is None:
            raise ValueError(f"{now['id']} is {now['status']} and waits for no approval")
        key = self._ready["treasury"]["approvers"][approver]["private_key"]
        address, signature = sign_typed_data(key, action["typed_data"])
        body = {"approver": address, "signature": signature}
        path = f"/v1/payouts/{payout['id']}/approve"
        answer: dict[str, Any] = self.request("POST", path, body, key=self.treasury_key)
        return answer

    def accept_token(self, contract: str, currency: str | None = None) -> dict[str, Any]:
        """Takes your own plain ERC-20 token as payment, as `bascule tokens accept` does.

        currency: what intents call it, else its symbol in lower case.
        """
        return self._run(self._accept(contract, currency))

    def reconcile(self) -> list[dict[str, Any]]:
        """The books against the chain at the newest final block, a comparison per token."""
        found = self._run(self._inside.reconciler.reconcile())
        return [dict(describe(subject, each)) for subject, each in found]

    async def _accept(self, contract: str, currency: str | None) -> dict[str, Any]:
        seams = self._inside.seams
        async with Database(self.database_url, name="bascule testing", pool_size=1) as db:
            async with db.read() as conn:
                [network] = await networks.every(conn)
            token = await accept(
                db, self.chain.node, network, parse_address(contract), currency,
                clock=seams.clock, entropy=seams.entropy,
            )  # fmt: skip
        return {"id": token.id, "currency": token.currency, "contract": contract, "decimals": token.decimals}


@contextmanager
def opened(chain: Chain, place: inside.Place, ready: Mapping[str, Any]) -> Iterator[Bridge]:
    """A bridge on `chain`, with one webhook endpoint of the merchant's that hears everything."""
    with (
        chain.background.within(inside.opened(place, chain.clock)) as running,
        closing(Bridge(chain, running, place, ready)) as made,
    ):
        body = {"url": made.webhook_url, "enabled_events": ["*"]}
        endpoint = made.request("POST", "/v1/webhook_endpoints", body)
        running.mailbox.secrets[MERCHANT] = endpoint["secret"]
        yield made
