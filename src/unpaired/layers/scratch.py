"""Memory for intermediate results that nobody keeps, used again by every call.

Fresh memory is dear on a CPU: the system fills it with zeros, page by page, and it is in no cache. Convolutions that
take their megabytes anew each time spent a third of a step on that.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor


class Scratch(threading.local):
    """Named buffers of this thread, each as large as its largest use so far.

    What `take` gives is valid until the same name is taken again, and holds anything at first.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A CPU tensor of this `shape` without content of its own."""
        count = math.prod(shape)
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.numel() < count:
            with torch.inference_mode(False):  # it outlives the call
                buffer = self._buffers[name, dtype] = torch.empty(count, dtype=dtype)
        return buffer[:count].view(shape)

    def map(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The same, for a map (N, C, H, W) in channels-last order."""
        num, channels, height, width = shape
        return self.take(name, (num, height, width, channels), dtype).permute(0, 3, 1, 2)

    def copied(self, name: str, x: Tensor) -> Tensor:
        """`x` in contiguous order, in the buffer `name`."""
        return self.take(name, tuple(x.shape), x.dtype).copy_(x)
