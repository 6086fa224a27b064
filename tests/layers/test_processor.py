"""Which processors are AMD's with units of 512 bits, by what Linux and Windows say of them."""

from __future__ import annotations

import pytest

from unpaired.layers import processor
from unpaired.layers.processor import amd_family, is_wide_amd

LINUX = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
WINDOWS = "AMD64 Family {} Model 68 Stepping 0, {}"


@pytest.mark.parametrize("family", [23, 25, 26])
@pytest.mark.parametrize(
    "description",
    [lambda family: LINUX.format("AuthenticAMD", family), lambda family: WINDOWS.format(family, "AuthenticAMD")],
)
def test_both_systems_name_the_family(description, family):
    assert amd_family(description(family)) == family


@pytest.mark.parametrize(
    "description",
    [LINUX.format("GenuineIntel", 6), WINDOWS.format(6, "GenuineIntel"), "arm", "", "vendor_id\t: AuthenticAMD\n"],
)
def test_all_else_has_no_family(description):
    assert amd_family(description) is None


@pytest.mark.parametrize(("family", "is_wide"), [(25, False), (26, True), (27, True)])
def test_zen_5_and_later_are_wide(family, is_wide, monkeypatch):
    monkeypatch.setattr(processor, "_description", lambda: LINUX.format("AuthenticAMD", family))
    assert is_wide_amd.__wrapped__() is is_wide


def test_this_processor_is_known_to_be_one_or_not():
    assert isinstance(is_wide_amd(), bool)
