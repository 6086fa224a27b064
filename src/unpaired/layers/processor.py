"""What the processor is, as far as convolutions have to know."""

from __future__ import annotations

import platform
import re
import sys
from functools import cache
from pathlib import Path

import torch

_AMD_WITH_WIDE_UNITS = 26  # the family of Zen 5, the first whose units add and multiply 512 bits at a time


def has_amx() -> bool:
    """Whether this is a processor of Intel's that multiplies whole tiles of bfloat16, many times as fast as others."""
    return torch.cpu._is_amx_tile_supported()


@cache
def is_wide_amd() -> bool:
    """Whether this is a processor of AMD's that works on 512 bits at a time."""
    family = amd_family(_description())
    return family is not None and family >= _AMD_WITH_WIDE_UNITS


def amd_family(description: str) -> int | None:
    """The family of a processor of AMD's by Linux' or Windows' `description` of it; None for all others.

    Linux says "vendor_id : AuthenticAMD" and, in a later line, "cpu family : 26"; Windows says in its registry's
    words "AMD64 Family 26 Model 68 Stepping 0, AuthenticAMD".
    """
    family = re.search(r"\bfamily\s*:?\s*(\d+)", description, re.IGNORECASE)
    return int(family.group(1)) if family and "AuthenticAMD" in description else None


def _description() -> str:
    if sys.platform == "linux":
        try:
            return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").partition("\n\n")[0]
        except OSError:
            return ""
    else:
        return platform.processor()
