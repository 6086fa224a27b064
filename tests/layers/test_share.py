import pytest
import torch

from unpaired.layers.share import Share


def share(rank: int = 0, world_size: int = 1, gather=lambda rows: rows) -> Share:
    return Share(torch.Generator().manual_seed(3), rank=rank, world_size=world_size, gather=gather)


DRAWS = {
    "normal": lambda share, num: share.normal(num, 5),
    "uniform": lambda share, num: share.uniform(num),
    "integers": lambda share, num: share.integers(1000, num),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize(("num", "world_size"), [(1, 2), (3, 2), (2, 4), (10, 3)])
def test_shares_together_draw_what_one_process_draws(name, num, world_size):
    draw = DRAWS[name]
    alone, shares = share(), [share(rank, world_size) for rank in range(world_size)]
    for _ in range(2):  # and go on from there alike
        expected = draw(alone, num * world_size)
        assert torch.equal(torch.cat([draw(one, num) for one in shares]), expected)
    assert {one.seed() for one in shares} == {alone.seed()}


def test_alone_the_rows_are_the_whole_batch():
    rows = torch.rand(2, 3)
    assert share().whole(rows) is rows


def test_what_is_reckoned_over_the_whole_batch_has_the_gradient_of_one_process():
    rows = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.rand(4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def gradient(share: Share, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = weight.clone().requires_grad_()
        codes = share.whole(inputs @ leaf)
        loss = codes.var(dim=0, correction=0).log().sum()
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    parts = [gradient(share(rank, 3, lambda _: rows @ weight), part) for rank, part in enumerate(rows.chunk(3))]
    expected_loss, expected = gradient(share(), rows)
    assert all(torch.allclose(loss, expected_loss) for loss, _ in parts)
    assert torch.allclose(torch.stack([found for _, found in parts]).mean(dim=0), expected)


def test_numbers_drawn_apart_depend_on_their_label_alone():
    alone = share()
    first = alone.apart("a").normal(2, 3)
    alone.normal(5, 5)
    assert torch.equal(alone.apart("a").normal(2, 3), first)
    assert not torch.equal(alone.apart("b").normal(2, 3), first)
    assert not torch.equal(alone.apart("a").apart("a").normal(2, 3), first)
    assert torch.equal(torch.cat([share(rank, 2).apart("a").normal(1, 3) for rank in range(2)]), first)
