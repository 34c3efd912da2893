"""A pool with little room: what it gives up, what it never gives up, and that its own count stays right."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from eth_account import Account as Signer
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.entrypoints.devchain import admission
from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.devchain.errors import RpcError
from bascule.entrypoints.devchain.evm import Account, Evm
from bascule.entrypoints.devchain.pool import Head, Limits, Pool

GWEI = 10**9
HEAD = Head(30_000_000, GWEI)
RICH = Account(0, 10**24)
SMALL = Limits(account_slots=2, global_slots=5, account_queue=3, global_queue=4, lifetime=100)


@cache
def evm() -> Evm:
    return Evm(31337, 1_700_000_000)


@cache
def signed(sender: int, nonce: int, fee: int, tip: int = 1, value: int = 0) -> Any:
    """Returns a real transaction of a development account; fees in gwei."""
    account = dev_accounts()[sender]
    fields = {"type": 2, "chainId": 31337, "nonce": nonce, "gas": 21_000, "to": account.address}
    fields |= {"maxFeePerGas": fee * GWEI, "maxPriorityFeePerGas": tip * GWEI, "value": value}
    raw = bytes(Signer.sign_transaction(fields, account.private_key).raw_transaction)
    return evm().decode(raw)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pool_of(*transactions: Any, limits: Limits = SMALL, clock: Clock | None = None) -> Pool:
    pool = Pool(limits, clock or Clock())
    for tx in transactions:
        pool.admit(tx, RICH, HEAD)
    return pool


def states(pool: Pool) -> tuple[set[bytes], set[bytes]]:
    senders = pool.senders().values()
    return (
        {tx.hash for sender in senders for tx in sender.pending},
        {tx.hash for sender in senders for tx in sender.queued},
    )


def refusal(pool: Pool, tx: Any, account: Account = RICH) -> str:
    before = pool.all()
    with pytest.raises(RpcError) as caught:
        pool.admit(tx, account, HEAD)
    assert pool.all() == before, "a refusal changed the pool"
    return caught.value.message


def hashes(transactions: Sequence[Any]) -> set[bytes]:
    return {tx.hash for tx in transactions}


def test_too_many_pending_cost_the_largest_account_its_highest_nonces() -> None:
    large = [signed(0, nonce, 5) for nonce in range(4)]
    others = [signed(1, 0, 5), signed(2, 0, 5), signed(3, 0, 5)]

    pool = pool_of(*large, *others)

    assert states(pool) == (hashes([*large[:2], *others]), set())


def test_pending_of_accounts_within_their_slots_stay_even_over_the_limit() -> None:
    within = [signed(sender, nonce, 5) for sender in range(4) for nonce in range(2)]

    assert states(pool_of(*within)) == (hashes(within), set())


def test_account_queues_no_more_than_its_share() -> None:
    behind_a_gap = [signed(0, nonce, 5) for nonce in (5, 3, 4, 1, 2)]

    assert states(pool_of(*behind_a_gap)) == (set(), hashes([signed(0, n, 5) for n in (1, 2, 3)]))


def test_too_many_queued_cost_the_account_that_moved_last() -> None:
    clock = Clock()
    pool = pool_of(*(signed(0, nonce, 5) for nonce in (1, 2, 3)), clock=clock)
    clock.now = 5
    for nonce in (1, 2, 3):
        pool.admit(signed(1, nonce, 5), RICH, HEAD)

    assert states(pool)[1] == hashes([*(signed(0, n, 5) for n in (1, 2, 3)), signed(1, 1, 5)])


def test_queued_transactions_grow_stale_and_pending_ones_do_not() -> None:
    clock = Clock()
    pool = pool_of(signed(0, 0, 5), signed(1, 1, 5), clock=clock)
    clock.now = 100
    pool.settle({}, HEAD.gas_limit)
    assert len(pool) == 2
    clock.now = 101

    pool.settle({}, HEAD.gas_limit)

    assert states(pool) == (hashes([signed(0, 0, 5)]), set())


def test_full_pool_gives_up_its_cheapest_for_a_better_one_and_refuses_a_worse_one() -> None:
    limits = Limits(global_slots=3, global_queue=1)
    pool = pool_of(*(signed(sender, 0, 10, tip=sender + 2) for sender in range(4)), limits=limits)

    assert refusal(pool, signed(4, 0, 10, tip=1)) == "transaction underpriced"
    assert refusal(pool, signed(4, 0, 10, tip=2)) == "transaction underpriced", "equal is not better"
    pool.admit(signed(4, 0, 10, tip=3), RICH, HEAD)

    assert states(pool)[0] == hashes(
        [signed(4, 0, 10, tip=3), *(signed(sender, 0, 10, tip=sender + 2) for sender in (1, 2, 3))]
    )


def test_future_transaction_pushes_out_no_pending_one() -> None:
    limits = Limits(global_slots=1, global_queue=1)
    pool = pool_of(signed(0, 0, 10, tip=2), signed(1, 0, 10, tip=2), limits=limits)

    words = refusal(pool, signed(2, 1, 10, tip=5))

    assert words == "future transaction tries to replace pending"
    pool = pool_of(signed(0, 0, 10, tip=3), signed(1, 1, 10, tip=2), limits=limits)
    pool.admit(signed(2, 1, 10, tip=5), RICH, HEAD)
    assert states(pool) == (hashes([signed(0, 0, 10, tip=3)]), hashes([signed(2, 1, 10, tip=5)]))


def test_what_followed_an_evicted_transaction_is_queued() -> None:
    pool = pool_of(*(signed(0, nonce, 5) for nonce in range(3)))

    pool.discard([signed(0, 1, 5).hash])

    assert states(pool) == (hashes([signed(0, 0, 5)]), hashes([signed(0, 2, 5)]))
    assert pool.next_nonce(signed(0, 0, 5).sender, 0) == 1


def test_funds_must_cover_all_that_is_pending_but_not_what_is_queued() -> None:
    each = admission.cost(signed(0, 0, 5))
    account = Account(0, 2 * each)
    pool = Pool(Limits(), Clock())
    pool.admit(signed(0, 0, 5), account, HEAD)
    pool.admit(signed(0, 3, 5), account, HEAD)
    pool.admit(signed(0, 1, 5), account, HEAD)

    words = "insufficient funds for gas * price + value: balance"
    assert refusal(pool, signed(0, 2, 5), account) == (
        f"{words} {2 * each}, queued cost {2 * each}, tx cost {each}, overshot {each}"
    )
    dearer = admission.cost(signed(0, 1, 6, tip=2)) - each
    assert refusal(pool, signed(0, 1, 6, tip=2), account) == (
        f"{words} {2 * each}, queued cost {2 * each}, tx bumped {dearer}, overshot {dearer}"
    )
    single = admission.cost(signed(0, 2, 11))
    assert refusal(pool, signed(0, 2, 11), account) == (
        f"{words} {2 * each}, tx cost {single}, overshot {single - 2 * each}"
    )


def test_what_its_sender_can_no_longer_pay_leaves_and_what_follows_is_queued() -> None:
    dear, cheap = signed(0, 0, 5, value=10**18), signed(0, 1, 5)
    pool = pool_of(dear, cheap)

    pool.settle({cheap.sender: Account(0, 10**17)}, HEAD.gas_limit)

    assert states(pool) == (set(), hashes([cheap]))


CHOICES = st.tuples(st.integers(0, 3), st.integers(0, 6), st.sampled_from([5, 6, 8]), st.integers(1, 3))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), CHOICES),
        st.tuples(st.just("spend"), st.tuples(st.integers(0, 3), st.integers(0, 3))),
        st.tuples(st.just("wait"), st.integers(1, 60)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_limits_and_bookkeeping_hold_whatever_is_sent_mined_and_forgotten(steps: list[Any]) -> None:
    clock, nonces = Clock(), [0, 0, 0, 0]
    pool = Pool(SMALL, clock)
    for kind, step in steps:
        if kind == "send":
            tx = signed(*step)
            before = pool.all()
            try:
                pool.admit(tx, Account(nonces[step[0]], 10**24), HEAD)
            except RpcError:
                assert pool.all() == before
        elif kind == "spend":
            sender, count = step
            address = signed(sender, 0, 5).sender
            known = pool.senders().get(address)
            nonces[sender] += min(count, known.pending_count) if known else 0
            pool.settle({address: Account(nonces[sender], 10**24)}, HEAD.gas_limit)
        else:
            clock.now += step
        check_whole(pool, nonces)


def check_whole(pool: Pool, nonces: list[int]) -> None:
    senders = pool.senders()
    by_place = {tx.hash for sender in senders.values() for tx in sender.waiting.values()}
    assert by_place == hashes(pool.all()), "both views hold the same"
    assert pool._slots == len(pool), "each of these takes one slot"
    for address, sender in senders.items():
        assert sender.waiting, "no account without transactions is kept"
        assert sender.account.nonce == nonces[[signed(i, 0, 5).sender for i in range(4)].index(address)]
        assert all(nonce == tx.nonce >= sender.account.nonce for nonce, tx in sender.waiting.items())
        assert sender.end not in sender.waiting, "pending goes as far as there is no gap"
        assert sender.spent == sum(admission.cost(tx) for tx in sender.pending)
        assert sender.queued_count <= SMALL.account_queue
    assert sum(sender.queued_count for sender in senders.values()) <= SMALL.global_queue
    pending = [sender.pending_count for sender in senders.values()]
    assert sum(pending) <= SMALL.global_slots or max(pending) <= SMALL.account_slots
    assert len(pool) <= SMALL.global_slots + SMALL.global_queue
