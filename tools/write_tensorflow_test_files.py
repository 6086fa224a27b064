"""Writes the small TensorFlow files that the tests read: two checkpoints, a sliced one, and a frozen graph.

    python tools/write_tensorflow_test_files.py tests/golden/tensorflow_files

Needs `pip install tensorflow-cpu` (written with 2.21), which the project itself does not. Run once; the files are kept.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


def main() -> None:
    """Write everything below the folder that is given."""
    folder = Path(sys.argv[1])
    values = numbers()
    write_checkpoint(folder / "plain" / "model.ckpt", values, step=3)
    write_two_shards(folder / "two_shards" / "model.ckpt", values)
    write_sliced(folder / "sliced" / "model.ckpt")
    frozen = write_frozen_graph(folder / "frozen.pb")
    np.savez(folder / "expected_checkpoint.npz", **values)
    np.savez(folder / "expected_frozen.npz", **frozen)


def numbers() -> dict[str, np.ndarray]:
    """Tensors of every kind of number and of odd shapes; the kernels fill several restart points of the index."""
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {
        f"network/layer_{index}/kernel": rng.standard_normal((2, 3)).astype(np.float32) for index in range(40)
    }
    values |= {
        "double": np.array(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "large": rng.standard_normal((20, 50)).astype(np.float32),  # its checksum takes more than one lane
        "step": np.array(-7, np.int64),
        "bytes": np.arange(5, dtype=np.uint8),
        "shorts": np.array([-3, 300], np.int16),
        "ints": np.array([-(2**31), 2**31 - 1], np.int32),
    }
    return values


def write_checkpoint(prefix: Path, values: dict[str, np.ndarray], step: int) -> None:
    """A checkpoint of one data file, and TensorFlow's file `checkpoint` beside it."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        for name, value in values.items():
            tf1.get_variable(name, initializer=value)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, prefix.as_posix(), global_step=step, write_meta_graph=False)
    state = prefix.with_name("checkpoint")  # without the folder of the computer that wrote it
    state.write_text(state.read_text().replace(f"{prefix.parent.absolute().as_posix()}/", ""))


def write_two_shards(prefix: Path, values: dict[str, np.ndarray]) -> None:
    """A checkpoint of two data files, with a text among the tensors, and without the file `checkpoint`."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    names = sorted(values)
    halves = [names[0::2], names[1::2]]
    parts = []
    for number, half in enumerate(halves):
        part = f"{prefix.as_posix()}_part{number}"
        tensors = [tf.constant(values[name]) for name in half]
        extra = [tf.constant("a text")] if number == 0 else []
        tf.raw_ops.SaveV2(
            prefix=part,
            tensor_names=half + ["a_text"] * len(extra),
            shape_and_slices=[""] * (len(half) + len(extra)),
            tensors=tensors + extra,
        )
        parts.append(part)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix.as_posix())


def write_sliced(prefix: Path) -> None:
    """A checkpoint whose one tensor was a partitioned variable."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.get_variable("rows", [4, 2], initializer=tf1.ones_initializer(), partitioner=tf1.fixed_size_partitioner(2))
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver()
        saver.save(session, prefix.as_posix(), write_meta_graph=False, write_state=False)


def write_frozen_graph(path: Path) -> dict[str, np.ndarray]:
    """A graph of constants in every form that TensorFlow stores them in; what they hold, without the text."""
    values = {
        "weights": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4),
        "same_throughout": np.full((3, 5), 0.25, np.float32),
        "zeros": np.zeros((2, 2), np.float32),
        "doubles": np.array([1.5, -2.5, 3.5]),
        "axis": np.array(-1, np.int32),
        "shape": np.array([-1, 1, 1, 512], np.int32),
        "longs": np.array([2**40, -(2**40)], np.int64),
        "flags": np.array([True, False, False]),
        "scalar": np.array(0.17, np.float32),
    }
    with tf1.Graph().as_default() as graph:
        for name, value in values.items():
            tf1.constant(value, name=name)
        tf1.constant("a text", name="text")
        tf1.placeholder(tf.float32, [None, 3], name="input")
        definition = graph.as_graph_def()
    by_name = {node.name: node for node in definition.node}
    tail = by_name["same_throughout"].attr["value"].tensor  # a list whose last value stands for the rest
    tail.ClearField("tensor_content")
    del tail.float_val[:]
    tail.float_val.extend([1.0, 0.25])
    values["same_throughout"].flat[0] = 1.0
    path.write_bytes(definition.SerializeToString(deterministic=True))
    return values


if __name__ == "__main__":
    main()
