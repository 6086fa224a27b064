import gzip
import json
import re

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from unpaired import tensorfile
from unpaired.layers.pending import ConvShape, Pending, convolved
from unpaired.training.loop import train
from unpaired.training.profiling import NUM_OPERATIONS, Operation, Profile, _measured, table
from unpaired.training.runs import make_folder


def trained(config, folders, path, **how):
    run = make_folder(path)
    run.write_config(config)
    assert train(config, folders, run, **how).step == config.steps
    return run


def operation(name, seconds, *, calls=2, num_bytes=0, shapes=((2, 3, 8, 8), (4, 3, 3, 3))):
    return Operation(name, shapes, calls, seconds, num_bytes)


@pytest.fixture
def found():
    operations = [operation(f"op{number}", seconds=0.001 * number) for number in range(1, 21)]
    return Profile(2, "cpu", 0.5, 0.02, tuple(operations))


def rows_of(text):
    """The cells of the table's rows, apart from the headings."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.split()[:2] == ["ms", "a"])
    return [line.split() for line in lines[first + 1 :]]


def plain(name):
    """The name of an operation in a trace without where it belongs and which way it goes."""
    return name.rpartition("::")[2].lstrip("_").removesuffix("Backward")


@pytest.mark.parametrize("threads", [1, 2])  # with two, both directions of a step are made at once
def test_a_profiled_run_has_the_same_weights(changed, picture_folders, tmp_path, torch_threads, threads):
    torch_threads(threads)
    config = changed(steps=4)
    profiled = trained(config, picture_folders, tmp_path / "profiled", num_profiled=2)
    plain = trained(config, picture_folders, tmp_path / "plain")
    (_, ones), (_, others) = (tensorfile.read(run.last_checkpoint) for run in (profiled, plain))
    assert ones.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in ones.items())
    assert not (plain.path / "profile").exists()
    with gzip.open(profiled.path / "profile" / "trace.json.gz", "rt", encoding="utf-8") as file:
        assert "aten::convolution_backward" in file.read(), "what is done in other threads was not seen"
    text = (profiled.path / "profile" / "operations.txt").read_text(encoding="utf-8")
    assert "AtOnce" not in text, "what parts do is listed, not that they are parts"


def test_trace_and_table_are_in_the_run_folder_and_the_log(changed, picture_folders, tmp_path, capsys):
    run = trained(changed(steps=3), picture_folders, tmp_path / "run", num_profiled=1)
    with gzip.open(run.path / "profile" / "trace.json.gz", "rt", encoding="utf-8") as file:
        names = {event["name"] for event in json.load(file)["traceEvents"] if "name" in event}
    operations = {"aten::convolution", "aten::convolution_backward", "_ConvolutionBackward"}
    assert {*operations, "waiting for pictures", "ProfilerStep#2"} <= names
    assert "ProfilerStep#1" not in names, "the steps that warm up are not in it"
    text = (run.path / "profile" / "operations.txt").read_text(encoding="utf-8")
    rows = rows_of(text)
    assert len(rows) == NUM_OPERATIONS
    listed = {re.split("  +", line.strip())[-2] for line in text.splitlines()[3:]}
    # of which operations, hangs on the machine
    assert {name.removesuffix(" backward") for name in listed} <= set(map(plain, names))
    times = [float(row[0]) for row in rows]
    assert times == sorted(times, reverse=True)
    assert text.strip() in (run.path / "log.txt").read_text(encoding="utf-8")
    assert text.strip() in capsys.readouterr().out


def test_a_resumed_run_is_profiled_as_well(changed, picture_folders, tmp_path):
    run = trained(changed(steps=2), picture_folders, tmp_path / "run")
    longer = changed(steps=6)
    trained(longer, picture_folders, run.path, resume=run.last_checkpoint, num_profiled=2)
    assert "Profile of 2 steps" in (run.path / "profile" / "operations.txt").read_text(encoding="utf-8")


def test_the_dearest_come_first_with_their_share_of_all(found):
    rows = rows_of(table(found))
    assert [row[-3] for row in rows] == [f"op{number}" for number in range(20, 10, -1)]
    assert rows[0][:3] == ["10.0", "9.5%", "1"]
    assert rows[0][-2:] == ["2x3x8x8", "4x3x3x3"]


def test_the_head_says_how_long_a_step_takes_and_waits(found):
    head = table(found).splitlines()[:2]
    assert head[0] == "Profile of 2 steps: 250.0 ms a step, 10.0 ms of it waiting for pictures."
    assert head[1].startswith("Operations take 105.0 ms of CPU time a step")


def test_memory_is_named_where_an_operation_keeps_some():
    large = operation("large", 2.0, calls=4, num_bytes=4 * 2**21)
    rows = rows_of(table(Profile(1, "cpu", 3.0, 0.0, (large, operation("none", 1.0, num_bytes=-5)))))
    assert rows[0][3:5] == ["2.0", "large"]
    assert rows[1][3] == "none"


class TestOperations:
    """What the table is made of."""

    @pytest.fixture
    def operations(self):
        """By name, those of a pass forward and backward through a convolution that computes its own gradients."""
        weight, shape = torch.rand(5, 3, 3, 3, requires_grad=True), ConvShape((1, 1, 1, 1), "zero")
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True) as profiler:
            for _ in range(2):
                (convolved(Pending(torch.rand(2, 3, 8, 8)), weight, None, shape) ** 2).sum().backward()
        return {operation.name: operation for operation in _measured(profiler, "cpu").operations}

    def test_a_layer_with_a_backward_pass_of_its_own_is_one_row_each_way(self, operations):
        there, back = operations["Convolution"], operations["Convolution backward"]
        assert there.calls == back.calls == 2
        assert (2, 3, 8, 8) in there.shapes
        assert (5, 3, 3, 3) in there.shapes
        assert back.shapes == there.shapes, "of the maps and the kernel, which say which layer it is"

    def test_what_a_layer_calls_is_part_of_it(self, operations):
        assert not {"mkldnn_convolution", "convolution", "_convolution"} & operations.keys()
        assert operations["Convolution"].seconds > 0

    def test_other_operations_have_torchs_names_on_the_way_back_too(self, operations):
        assert {"pow", "sum", "mul"} <= operations.keys()
        assert not any("Backward" in name or "::" in name for name in operations)
