from dataclasses import replace

import pytest
import torch

from unpaired.config import OptimizerConfig
from unpaired.errors import UserError
from unpaired.models.base import Batch
from unpaired.training.engine import Engine
from unpaired.training.state import InitialWeights, TrainState, learning_rate_factor, rng_for
from unpaired.training.step import train_step


@pytest.fixture
def batch() -> Batch:
    return Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d)) * 2 - 1 for d in "ab"))


@pytest.mark.parametrize("setting", ["none", "less_memory", "recompute"])
def test_who_spares_memory_makes_one_direction_after_the_other(config, setting):
    is_on = {name: name == setting for name in ("less_memory", "recompute")}
    state = TrainState(replace(config, **is_on), Engine("cpu"))
    assert [network.run is not None for network in state.networks.values()] == [setting == "none"] * 2


def test_the_learning_rate_halves_on_updates_number_100_000_and_200_000_counted_from_1():
    config = OptimizerConfig(schedule="step", step_size=100_000, gamma=0.5)
    updates = (1, 99_999, 100_000, 199_999, 200_000)
    factors = {update: learning_rate_factor(config, update - 1, 10**6) for update in updates}
    assert factors == {1: 1.0, 99_999: 1.0, 100_000: 0.5, 199_999: 0.5, 200_000: 0.25}


def test_a_constant_schedule_stays():
    assert learning_rate_factor(OptimizerConfig(schedule="constant", step_size=1), 10, 20) == 1.0


def test_the_linear_schedule_falls_to_0_over_the_second_half():
    config = OptimizerConfig(schedule="linear", step_size=1)
    factors = {update: learning_rate_factor(config, update - 1, 1000) for update in (1, 500, 501, 750, 1000)}
    assert factors == pytest.approx({1: 1.0, 500: 1.0, 501: 0.998, 750: 0.5, 1000: 0.0})


def test_the_linear_schedule_can_fall_in_stairs():
    config = OptimizerConfig(schedule="linear", step_size=100)
    factors = {update: learning_rate_factor(config, update - 1, 1000) for update in (599, 600, 699, 700)}
    assert factors == pytest.approx({599: 1.0, 600: 0.8, 699: 0.8, 700: 0.6})


def test_weight_decay_can_be_left_to_kernels(changed):
    state = TrainState(changed(optimizer=OptimizerConfig(decay="kernels", weight_decay=0.1)), Engine("cpu"))
    decays = {
        id(parameter): group.weight_decay
        for optimizer in state.optimizers.values()
        for group in optimizer.groups
        for parameter in group.parameters
    }
    parameters = [p for network in state.networks.values() for p in network.parameters()]
    assert {id(p): 0.1 if p.dim() > 1 else 0.0 for p in parameters} == decays


def test_the_two_learning_rates_are_set_apart(changed, batch):
    optimizer = OptimizerConfig(lr_generator=1e-3, lr_discriminator=2e-3, step_size=2)
    state = TrainState(changed(optimizer=optimizer), Engine("cpu"))
    seen = [train_step(state, batch) for _ in range(2)]
    assert [(v["lr_generator"], v["lr_discriminator"]) for v in seen] == [(1e-3, 2e-3), (5e-4, 1e-3)]


def test_rng_for_is_a_function_of_all_its_parts():
    def draw(*parts):
        return torch.rand(1, generator=rng_for(*parts)).item()

    assert draw(0, "step", 1, 2) == draw(0, "step", 1, 2)
    assert len({draw(0, "step", 1, 2), draw(0, "step", 12, 2), draw(0, "step", 1, 22), draw(1, "step", 1, 2)}) == 4


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(config):
    first, again = (TrainState(config, Engine("cpu")).tensors() for _ in range(2))
    other = TrainState(replace(config, seed=1), Engine("cpu")).tensors()
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in first.items())


def test_loading_gives_a_state_that_goes_on_identically(config, batch):
    state = TrainState(config, Engine("cpu"))
    for _ in range(3):
        train_step(state, batch)
    copy = TrainState(replace(config, seed=9), Engine("cpu"))
    copy.load_tensors({name: tensor.clone() for name, tensor in state.tensors().items()}, state.step)
    copy.config = config  # the seed rules the noise of the next step
    assert train_step(state, batch) == train_step(copy, batch)
    assert all(torch.equal(tensor, copy.tensors()[name]) for name, tensor in state.tensors().items())


def test_another_models_tensors_are_refused_by_name(config):
    state = TrainState(config, Engine("cpu"))
    wider = replace(config.model, generator=replace(config.model.generator, dim=8))
    other = TrainState(replace(config, model=wider), Engine("cpu"))
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    with pytest.raises(UserError, match=r"ema\.a\.content_encoder"):
        state.load_tensors(other.tensors(), 5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_starting_from_given_weights_sets_the_average_too(config):
    state, source = TrainState(config, Engine("cpu")), TrainState(replace(config, seed=3), Engine("cpu"))
    dis_before = {k: v.clone() for k, v in state.method.discriminators.state_dict().items()}
    state.start_from(InitialWeights(source.method.generators.state_dict()))
    for module in (state.method.generators, state.ema.module):
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, source.method.generators.state_dict()[name])
    assert all(torch.equal(v, dis_before[k]) for k, v in state.method.discriminators.state_dict().items())


def test_without_an_average_no_ema_is_kept(changed):
    state = TrainState(changed(ema_decay=0.0), Engine("cpu"))
    assert state.ema is None
    assert not any(name.startswith("ema.") for name in state.tensors())
    assert state.sampling_generators is state.method.generators
