import pytest
import torch

from unpaired.training.engine import Engine, device_problem


def test_one_process_needs_no_wrapping_or_averaging():
    engine, module = Engine("cpu"), torch.nn.Linear(1, 1)
    assert engine.wrap(module) is module
    assert engine.mean(torch.tensor([3.0])).item() == 3.0
    assert engine.max(143) == 143
    assert engine.gather(module.weight) is module.weight
    assert engine.is_main


def test_precision_auto_is_float32_on_a_cpu():
    assert Engine("cpu", "auto").precision == "fp32"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_networks_run_in_the_asked_precision(precision, dtype):
    with Engine("cpu", precision).autocast():
        assert torch.nn.functional.linear(torch.ones(1, 2), torch.ones(1, 2)).dtype == dtype


def test_a_device_that_is_not_there_is_a_problem_that_names_what_is():
    assert device_problem("cpu") is None
    assert device_problem("auto") is None
    missing = [name for name in ("cuda", "mps") if device_problem(name)]
    assert missing  # no machine has both
    assert "cpu" in str(device_problem(missing[0]))
