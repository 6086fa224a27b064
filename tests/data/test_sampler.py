from __future__ import annotations

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from unpaired.data.sampler import draw, mixed_seed, positions

seeds = st.integers(0, 2**64)
lengths = st.integers(1, 60)


def indices(seed: int, domain: str, epoch: int, length: int) -> list[int]:
    return [draw(seed, domain, epoch * length + offset, length).index for offset in range(length)]


@given(seeds, lengths, st.integers(0, 50))
def test_every_epoch_has_each_picture_once(seed: int, length: int, epoch: int) -> None:
    drawn = [draw(seed, "a", epoch * length + offset, length) for offset in range(length)]
    assert sorted(d.index for d in drawn) == list(range(length))
    assert {d.epoch for d in drawn} == {epoch}


@given(seeds)
def test_the_order_depends_on_seed_domain_and_epoch(seed: int) -> None:
    orders = [
        indices(seed, "a", 0, 40),
        indices(seed, "a", 1, 40),
        indices(seed, "b", 0, 40),
        indices(seed + 1, "a", 0, 40),
    ]
    assert len({tuple(order) for order in orders}) == 4


@given(seeds, st.integers(0, 10**7), lengths)
def test_a_draw_depends_on_its_arguments_alone(seed: int, position: int, length: int) -> None:
    first = draw(seed, "a", position, length)
    for other in range(12):  # pushes the order out of any memory
        draw(seed + 1, "b", other * 7, 7)
    assert draw(seed, "a", position, length) == first


def test_the_first_picture_may_be_any() -> None:
    firsts = Counter(draw(seed, "a", 0, 5).index for seed in range(500))
    assert sorted(firsts) == [0, 1, 2, 3, 4]
    assert min(firsts.values()) > 60


def test_the_order_is_the_same_for_ever() -> None:
    """A change here breaks the resume of every run made before."""
    assert indices(0, "a", 0, 10) == [8, 4, 0, 9, 5, 1, 6, 2, 7, 3]
    assert indices(2**40, "b", 3, 7) == [6, 3, 2, 5, 4, 0, 1]
    assert mixed_seed("augment", 0, "a", 12, 3) == 14318194159894835349


def test_another_process_draws_the_same() -> None:
    code = "from unpaired.data.sampler import *; print(draw(3, 'a', 17, 9), mixed_seed(1, 'x'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{draw(3, 'a', 17, 9)} {mixed_seed(1, 'x')}\n"


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))
def test_processes_and_steps_share_no_position_and_leave_none_out(batch: int, world: int, num_steps: int) -> None:
    taken = [p for step in range(num_steps) for rank in range(world) for p in positions(step, batch, rank, world)]
    assert sorted(taken) == list(range(batch * world * num_steps))


@given(st.lists(st.tuples(st.integers(0, 2**70), st.sampled_from("ab"), st.integers(0, 9)), min_size=2, unique=True))
def test_mixed_seeds_do_not_meet(parts: list[tuple[int, str, int]]) -> None:
    assert len({mixed_seed(*p) for p in parts}) == len(parts)


def test_mixed_seeds_tell_the_parts_apart() -> None:
    assert len({mixed_seed(1, 23), mixed_seed(12, 3), mixed_seed("1", 23), mixed_seed(123), mixed_seed(23, 1)}) == 5
    assert all(0 <= mixed_seed(i) < 2**64 for i in range(100))
    assert max(mixed_seed(i) for i in range(100)) > 2**63
