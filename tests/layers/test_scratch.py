from threading import Thread

import torch

from unpaired.layers.scratch import Scratch


def memory(x: torch.Tensor) -> int:
    return x.untyped_storage().data_ptr()


def test_a_name_is_the_same_memory_until_it_has_to_grow():
    scratch = Scratch()
    first = scratch.take("x", (4, 6), torch.float32)
    assert memory(scratch.take("x", (2, 3, 4), torch.float32)) == memory(first)
    assert memory(scratch.take("x", (5,), torch.float32)) == memory(first)
    larger = scratch.take("x", (5, 5), torch.float32)
    assert memory(larger) != memory(first)
    assert memory(scratch.take("x", (4, 6), torch.float32)) == memory(larger)


def test_names_types_threads_and_owners_are_apart():
    scratch, other = Scratch(), Scratch()
    taken = [scratch.take("x", (4,), torch.float32), scratch.take("y", (4,), torch.float32)]
    taken += [scratch.take("x", (4,), torch.float64), other.take("x", (4,), torch.float32)]
    thread = Thread(target=lambda: taken.append(scratch.take("x", (4,), torch.float32)))
    thread.start()
    thread.join()
    assert len({memory(x) for x in taken}) == 5


def test_shapes_and_types_are_those_asked_for():
    taken = Scratch().take("x", (2, 0, 3), torch.bfloat16)
    assert (taken.shape, taken.dtype) == ((2, 0, 3), torch.bfloat16)


def test_a_map_is_in_channels_last_order():
    taken = Scratch().map("x", (2, 3, 4, 5), torch.float32)
    assert taken.shape == (2, 3, 4, 5)
    assert taken.is_contiguous(memory_format=torch.channels_last)


def test_a_copy_has_the_values_in_contiguous_order():
    x = torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1)
    copy = Scratch().copied("x", x)
    assert torch.equal(copy, x)
    assert copy.is_contiguous()
    assert memory(copy) != memory(x)


def test_what_was_first_taken_in_inference_mode_can_be_written_outside_of_it():
    scratch = Scratch()
    with torch.inference_mode():
        scratch.take("x", (3,), torch.float32)
    taken = scratch.take("x", (3,), torch.float32)
    assert not taken.is_inference()
    taken.fill_(1.0)
