"""What of a step is this process's own, when several processes make the step together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


def generator_for(text: str) -> torch.Generator:
    """A CPU random generator that is a function of `text`."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def _alone(rows: Tensor) -> Tensor:
    return rows


@dataclass(frozen=True)
class Share:
    """One process's share of a step: part number `rank` of the `world_size` equal parts of its batch.

    Random numbers for pictures are drawn from `rng`, a CPU generator that is the same in all processes, for the whole
    batch; each process keeps those of its own pictures. So a step draws the same numbers for the same pictures whether
    one process makes it or several. `gather` gives the rows of all processes, in their order and without gradients.
    """

    rng: torch.Generator
    rank: int = 0
    world_size: int = 1
    gather: Callable[[Tensor], Tensor] = _alone

    def normal(self, num: int, width: int) -> Tensor:
        """Numbers from N(0, 1) for `num` own pictures: (num, width)."""
        return self._own(torch.randn(num * self.world_size, width, generator=self.rng))

    def uniform(self, num: int) -> Tensor:
        """Numbers from [0, 1) for `num` own pictures: (num,)."""
        return self._own(torch.rand(num * self.world_size, generator=self.rng))

    def integers(self, below: int, num: int) -> Tensor:
        """Numbers from 0, 1, … `below` − 1 for `num` own pictures: (num,)."""
        return self._own(torch.randint(below, (num * self.world_size,), generator=self.rng))

    def apart(self, *labels: str) -> Share:
        """The same share with numbers of its own, which depend on `labels` but not on what else was drawn."""
        text = "/".join([str(self.rng.initial_seed()), *labels])
        return replace(self, rng=generator_for(text))

    def seed(self) -> int:
        """One number of 62 bits, the same in all processes."""
        return int(torch.randint(2**62, (), generator=self.rng))

    def whole(self, rows: Tensor) -> Tensor:
        """The rows of the whole batch, of which `rows` (N, …) are the own ones: (N · world_size, …).

        For what is reckoned over a batch and not picture by picture. Gradients reach the own rows alone, `world_size`
        times as large: the other processes reckon the same, and the mean over all processes is what is applied.
        """
        if self.world_size == 1:
            return rows
        fixed = rows.detach()
        own = fixed + self.world_size * (rows - fixed)
        others = torch.split(self.gather(fixed), len(rows))
        return torch.cat([*others[: self.rank], own, *others[self.rank + 1 :]])

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn.chunk(self.world_size)[self.rank]
