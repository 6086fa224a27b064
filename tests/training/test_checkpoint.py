import pytest
import torch

from unpaired import tensorfile
from unpaired.config import CheckpointsConfig
from unpaired.errors import UserError
from unpaired.models.base import Batch
from unpaired.training import checkpoint
from unpaired.training.engine import Engine
from unpaired.training.state import TrainState, rng_for
from unpaired.training.step import train_step


@pytest.fixture
def state(config) -> TrainState:
    state = TrainState(config, Engine("cpu"))
    batch = Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d)) * 2 - 1 for d in "ab"))
    train_step(state, batch)
    return state


def test_what_is_saved_comes_back_bit_for_bit(state, config, tmp_path):
    path = checkpoint.save(state, tmp_path)
    loaded = TrainState(config, Engine("cpu"))
    checkpoint.load(loaded, path)
    assert loaded.step == 1
    assert loaded.tensors().keys() == state.tensors().keys()
    assert all(torch.equal(tensor, loaded.tensors()[name]) for name, tensor in state.tensors().items())


def test_a_run_goes_on_from_a_file_bit_for_bit_with_kernels_in_channels_last_order(state, config, tmp_path):
    """A file knows no order of memory; the fused update of Adam looks at memory alone."""
    batch = Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d, 1)) * 2 - 1 for d in "ab"))
    loaded = TrainState(config, Engine("cpu"))
    checkpoint.load(loaded, checkpoint.save(state, tmp_path))
    kernels = {name: tensor for name, tensor in loaded.tensors().items() if tensor.dim() == 4 and tensor.shape[3] > 1}
    assert {name.partition(".")[0] for name in kernels} >= {"generators", "optimizer_generators", "ema"}
    assert [name for name, k in kernels.items() if not k.is_contiguous(memory_format=torch.channels_last)] == []
    for _ in range(2):
        assert train_step(loaded, batch) == train_step(state, batch)
    tensors = loaded.tensors()
    assert [name for name, tensor in state.tensors().items() if not torch.equal(tensor, tensors[name])] == []


def test_the_header_says_what_it_is(state, tmp_path):
    header = tensorfile.read_header(checkpoint.save(state, tmp_path))
    assert header["step"] == 1
    assert header["config"]["model"]["generator"]["dim"] == 4
    assert header["versions"]["torch"] == torch.__version__


def test_only_the_newest_snapshots_are_kept_in_numeric_order(state, tmp_path):
    for step in (999, 9_000_000, 123_456_789, 10):
        state.step = step
        checkpoint.save(state, tmp_path)
        checkpoint.keep_snapshot(tmp_path, step, CheckpointsConfig(keep=2))
    assert [path.name for path in checkpoint.snapshots(tmp_path)] == [
        "step-09000000.safetensors", "step-123456789.safetensors",
    ]  # fmt: skip


def test_a_snapshot_does_not_change_with_the_next_save(state, tmp_path):
    checkpoint.save(state, tmp_path)
    snapshot = checkpoint.keep_snapshot(tmp_path, 1, CheckpointsConfig())
    state.step = 2
    checkpoint.save(state, tmp_path)
    assert checkpoint.step_of(snapshot) == 1
    assert checkpoint.step_of(tmp_path / checkpoint.LAST) == 2


def test_a_torn_checkpoint_is_refused_and_the_state_left_as_it_was(state, config, tmp_path):
    path = checkpoint.save(state, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    fresh = TrainState(config, Engine("cpu"))
    with pytest.raises(UserError, match="torn"):
        checkpoint.load(fresh, path)
    assert fresh.step == 0


def test_a_file_of_another_kind_or_a_newer_format_is_refused(tmp_path):
    tensorfile.write(tmp_path / "x.safetensors", {"t": torch.ones(1)}, {"kind": "bundle"})
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.step_of(tmp_path / "x.safetensors")
    tensorfile.write(tmp_path / "y.safetensors", {}, {"kind": "checkpoint", "format": 99, "step": 1})
    with pytest.raises(UserError, match="newer version"):
        checkpoint.step_of(tmp_path / "y.safetensors")
    with pytest.raises(UserError, match="no such file"):
        checkpoint.step_of(tmp_path / "z.safetensors")


def test_a_snapshot_takes_no_disk_space_of_its_own_until_the_next_save(state, tmp_path):
    last = checkpoint.save(state, tmp_path)
    snapshot = checkpoint.keep_snapshot(tmp_path, 1, CheckpointsConfig())
    assert snapshot.samefile(last)


def test_a_snapshot_is_a_copy_where_files_cannot_have_two_names(state, tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    last = checkpoint.save(state, tmp_path)
    snapshot = checkpoint.keep_snapshot(tmp_path, 1, CheckpointsConfig())
    assert snapshot.read_bytes() == last.read_bytes()
    assert not snapshot.samefile(last)
