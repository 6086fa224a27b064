"""The machine's own limit: how many multiplications a second a large product of matrices makes."""

from __future__ import annotations

from functools import partial

from benchmarks.speed.worker import Unit

SIDES = {"cpu": 2048, "cuda": 8192}  # a GPU is done with the smaller one before it is warm


def matrix_product(*, precision: str, device: str) -> Unit:
    """One product of square matrices in the type that networks compute in with `precision`, by the fastest library."""
    import torch

    from unpaired.layers.products import product

    # convolutions take TF32 by default where there is one, products do not: the limit has to be that of convolutions
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    side = SIDES[device]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in "ab")
    return partial(product, a, b)


def macs(device: str) -> float:
    """MAC of one such product."""
    return float(SIDES[device] ** 3)
