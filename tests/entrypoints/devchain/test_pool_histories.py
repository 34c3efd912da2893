"""Random sends, replacements, blocks, reorgs and restarts, beside a small model of the mempool's rules."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bascule.domain.hashing import keccak
from tests.support.chain import LocalNode, RpcFailure, local_node

SENDERS = 3


class Offer(NamedTuple):
    fee: int
    tip: int
    hash: str


class Model:
    """What should wait: per sender, by nonce. Says what a send is answered and what a block takes."""

    def __init__(self) -> None:
        self.nonces = [0] * SENDERS
        self.waiting: list[dict[int, Offer]] = [{} for _ in range(SENDERS)]
        self.blocks: list[list[tuple[int, int, Offer]]] = []

    def answer(self, sender: int, nonce: int, offer: Offer) -> str | None:
        """The words of a refusal, or None; then the offer waits."""
        rival = self.waiting[sender].get(nonce)
        if rival and rival.hash == offer.hash:
            return "already known"
        if nonce < self.nonces[sender]:
            return f"nonce too low: next nonce {self.nonces[sender]}, tx nonce {nonce}"
        if rival and not (10 * offer.fee >= 11 * rival.fee and 10 * offer.tip >= 11 * rival.tip):
            return "replacement transaction underpriced"
        self.waiting[sender][nonce] = offer
        return None

    def mine(self, base_fee: int) -> None:
        """Takes each sender's run as far as it has no gap and pays the base fee."""
        block = []
        for sender in range(SENDERS):
            while (offer := self.waiting[sender].get(self.nonces[sender])) and offer.fee >= base_fee:
                del self.waiting[sender][self.nonces[sender]]
                block.append((sender, self.nonces[sender], offer))
                self.nonces[sender] += 1
        self.blocks.append(block)

    def unmine(self, depth: int, dropped: set[str]) -> None:
        """Puts the last blocks' transactions back, and empty blocks in their place."""
        for _ in range(depth):
            for sender, nonce, offer in self.blocks.pop():
                self.nonces[sender] = min(self.nonces[sender], nonce)
                if offer.hash not in dropped:
                    self.waiting[sender][nonce] = offer
        self.blocks += [[] for _ in range(depth)]

    def end(self, sender: int) -> int:
        nonce = self.nonces[sender]
        while nonce in self.waiting[sender]:
            nonce += 1
        return nonce

    def pending(self) -> int:
        return sum(self.end(sender) - self.nonces[sender] for sender in range(SENDERS))


async def step(node: LocalNode, model: Model, choice: random.Random) -> None:
    kind = choice.choices(["send", "mine", "reorg"], [8, 2, 1])[0]
    if kind == "send":
        sender = choice.randrange(SENDERS)
        nonce = max(0, model.nonces[sender] + choice.randint(-1, 4))
        fee, tip = choice.choice([500, 1_000, 1_100, 1_150, 2_000]), choice.choice([100, 110, 130, 200])
        account = node.accounts[sender]
        raw = node.sign(
            account, nonce, to=account.address, maxFeePerGas=fee * 10**6, maxPriorityFeePerGas=tip * 10**6
        )
        expected = model.answer(
            sender, nonce, Offer(fee * 10**6, tip * 10**6, "0x" + keccak(bytes.fromhex(raw[2:])).hex())
        )
        assert await answer(node, raw) == expected
    elif kind == "mine":
        model.mine((await node.dev.mine()).base_fee)
    elif model.blocks:
        depth = choice.randint(1, min(3, len(model.blocks)))
        mined = [offer.hash for block in model.blocks[-depth:] for _, _, offer in block]
        dropped = set(choice.sample(mined, min(len(mined), choice.randint(0, 1))))
        head = await node.dev.reorg(depth, dropped)
        model.unmine(depth, dropped)
        model.mine(head.base_fee)


async def answer(node: LocalNode, raw: str) -> str | None:
    try:
        await node.rpc("eth_sendRawTransaction", raw)
    except RpcFailure as refusal:
        return refusal.message
    return None


async def compare(node: LocalNode, model: Model) -> None:
    waiting = sum(len(by_nonce) for by_nonce in model.waiting)
    status = await node.rpc("txpool_status")
    assert status == {"pending": hex(model.pending()), "queued": hex(waiting - model.pending())}
    for sender in range(SENDERS):
        address = node.accounts[sender].address
        counts = [await node.rpc("eth_getTransactionCount", address, at) for at in ("latest", "pending")]
        assert counts == [hex(model.nonces[sender]), hex(model.end(sender))]
        content = await node.rpc("txpool_contentFrom", address)
        found = {int(n): tx["hash"] for state in content.values() for n, tx in state.items()}
        assert found == {nonce: offer.hash for nonce, offer in model.waiting[sender].items()}
        run = range(model.nonces[sender], model.end(sender))
        assert set(content["pending"]) == {str(nonce) for nonce in run}


async def run(seed: int, steps: int, data_dir: Path) -> Any:
    choice, model = random.Random(seed), Model()
    for _ in range(2):  # the second half after a restart
        async with local_node(data_dir=data_dir) as node:
            await compare(node, model)
            for _ in range(steps // 2):
                await step(node, model, choice)
                await compare(node, model)


@pytest.mark.parametrize("seed", range(3))
async def test_pool_and_chain_follow_the_model_through_a_random_history(seed: int, tmp_path: Path) -> None:
    await run(seed, 40, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
async def test_pool_and_chain_follow_the_model_through_long_histories(seed: int, tmp_path: Path) -> None:
    await run(seed, 200, tmp_path)
