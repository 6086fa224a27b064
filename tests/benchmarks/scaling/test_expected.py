"""What throughput is expected to be: from counted arithmetic and gradients."""

from __future__ import annotations

import pytest
from benchmarks.scaling.expected import Machines, Model, Step, model_of, step_of


def test_models_have_the_sizes_that_the_documentation_names() -> None:
    munit, light = model_of("MUNIT"), model_of("U-GAT-IT light")
    assert (munit.megabytes, light.megabytes) == (pytest.approx(186, abs=0.5), pytest.approx(536, abs=0.5))
    assert (munit.tflop, light.tflop) == (pytest.approx(1.5, abs=0.05), pytest.approx(1.9, abs=0.05))


def test_a_step_computes_at_a_share_of_the_peak_and_exchanges_both_ways() -> None:
    step = step_of(Model("a model", megabytes=1000, tflop=3.0), Machines("machines", num=4, peak=100, link=10), 2)
    assert step.computed == pytest.approx(2 * 3.0 / (0.3 * 100))
    assert step.exchanged == pytest.approx(2 * 3 / 4 * 1.0 / 10)


def test_what_fits_behind_the_backward_pass_costs_nothing() -> None:
    assert Step(computed=1.0, exchanged=0.5).best == 1.0
    assert Step(computed=1.0, exchanged=0.5).worst == pytest.approx(1 / 1.5)
    assert Step(computed=1.0, exchanged=1.6).best == pytest.approx(0.5)
