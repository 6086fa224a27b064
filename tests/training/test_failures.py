from pathlib import Path

import pytest
import torch
from torch.distributed import DistBackendError

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
    assert "--less-memory" in message
    assert "runs/x" in message


def test_what_is_done_already_is_not_recommended(changed):
    with pytest.raises(UserError) as error, explained(changed(less_memory=True), Path("runs/x")):
        torch.empty(2**60)
    assert "--less-memory" not in str(error.value)
    assert "--recompute" in str(error.value)


def test_out_of_memory_on_a_gpu(config):
    with pytest.raises(UserError, match=r"2\.00 GiB more"), explained(config, Path("runs/x")):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")


def test_other_errors_pass_through(config):
    with pytest.raises(RuntimeError, match="something else"), explained(config, Path("runs/x")):
        raise RuntimeError("something else")


@pytest.mark.parametrize(
    "error",
    [
        DistBackendError("NCCL communicator was aborted on rank 1.\nMore of it"),
        RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.0.0.2]:4711"),
    ],
)
def test_a_process_that_is_gone_is_told_from_an_error_of_our_own(config, error):
    with pytest.raises(UserError, match="Another process of this run has ended") as found, explained(config, Path("x")):
        raise error
    assert str(error).splitlines()[0] in str(found.value)
    assert "More of it" not in str(found.value)
