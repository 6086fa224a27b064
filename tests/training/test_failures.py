from pathlib import Path

import pytest
import torch

from unpaired.errors import UserError
from unpaired.training.failures import explained


def test_out_of_memory_on_the_cpu_says_what_was_asked_for_and_two_ways_out(config):
    with pytest.raises(UserError) as error, explained(config, Path("runs/x")):
        torch.empty(2**60)
    message = str(error.value)
    assert "4,398,046,511,104.0 MiB" in message
    assert "batch 2, 16x16 px" in message
    assert "--batch" in message
    assert "--precision bf16" in message
    assert "runs/x" in message


def test_out_of_memory_on_a_gpu(config):
    with pytest.raises(UserError, match=r"2\.00 GiB more"), explained(config, Path("runs/x")):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")


def test_other_errors_pass_through(config):
    with pytest.raises(RuntimeError, match="something else"), explained(config, Path("runs/x")):
        raise RuntimeError("something else")
