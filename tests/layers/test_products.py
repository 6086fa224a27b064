"""Products are the same numbers by either library, for matrices in any order of memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unpaired.layers import products
from unpaired.layers.products import batch_product, product, uses_onednn

lengths = st.integers(1, 40)
orders = st.booleans()
libraries = st.booleans()


def drawn(*shape: int, seed: int = 0, turned: bool = False) -> Tensor:
    """Numbers of float32; `turned`: with the last two sides in the other order of memory."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.mT.contiguous().mT if turned else values


def assert_close(found: Tensor, exact: Tensor) -> None:
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)


@given(lengths, lengths, lengths, orders, orders, libraries)
def test_a_product_is_that_of_float64(m, k, n, turned_left, turned_right, wide_amd):
    left, right = drawn(m, k, turned=turned_left), drawn(k, n, seed=1, turned=turned_right)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "is_wide_amd", lambda: wide_amd)
        found = product(left, right)
    assert found.is_contiguous()
    assert_close(found, left.double() @ right.double())


@given(st.integers(1, 4), lengths, lengths, lengths, orders, orders, libraries, st.booleans())
def test_products_of_a_batch_are_written_or_added(p, m, k, n, turned_left, turned_right, wide_amd, add):
    left, right = drawn(p, m, k, turned=turned_left), drawn(p, k, n, seed=1, turned=turned_right)
    out = drawn(p, m, n, seed=2) if add else torch.full((p, m, n), torch.nan)
    expected = left.double() @ right.double() + (out.double() if add else 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "is_wide_amd", lambda: wide_amd)
        assert batch_product(left, right, out, add=add) is out
    assert_close(out, expected)


@pytest.mark.parametrize("wide_amd", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_torchs_own_bit_for_bit(dtype, wide_amd, monkeypatch):
    monkeypatch.setattr(products, "is_wide_amd", lambda: wide_amd)
    left, right = drawn(2, 5, 7).to(dtype), drawn(2, 7, 3, seed=1).to(dtype)
    assert torch.equal(product(left[0], right[0]), left[0] @ right[0])
    assert torch.equal(batch_product(left, right, torch.empty(2, 5, 3, dtype=dtype)), left @ right)


def test_onednn_is_for_float32_on_some_cpus_alone(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for wide_amd in (True, False):
        monkeypatch.setattr(products, "is_wide_amd", lambda wide_amd=wide_amd: wide_amd)
        assert uses_onednn(torch.empty(1)) is wide_amd
        assert not uses_onednn(torch.empty(1, dtype=torch.bfloat16))
        assert not uses_onednn(torch.empty(1, device="meta"))
    monkeypatch.setattr(products, "is_wide_amd", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not uses_onednn(torch.empty(1))
