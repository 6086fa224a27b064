"""What a training step needs, counted while it runs: memory of its tensors, and arithmetic."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from unpaired.data.faces import FaceBoxes
from unpaired.layers.at_once import in_turn
from unpaired.losses.config import LossesConfig
from unpaired.models import MODELS, ModelConfig
from unpaired.models.base import AnyMethod, Batch
from unpaired.training.extra_losses import ExtraLosses
from unpaired.training.face_loss import Faces
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

Size = tuple[int, int]


@dataclass(frozen=True)
class StepCost:
    """`phase_bytes`: the most that tensors made in the step take at a time, gradients among them, phase by phase.

    Passes forward and backward take turns. Each phase has its own share of what grows with the pictures and what does
    not, so which of them needs most depends on the size.

    `flops`: the multiplications and additions of all convolutions and matrix products, as they are computed.
    """

    phase_bytes: tuple[int, ...]
    flops: int

    @property
    def num_bytes(self) -> int:
        """The most memory in the whole step."""
        return max(self.phase_bytes)


def count_step(state: TrainState, batch: Batch) -> StepCost:
    """The cost of one update of `state` on `batch`, which it makes: every operation is looked at while it runs.

    So nothing has to be known of how a network is computed, nor of what it keeps for its backward pass. What an
    operation allocates and frees within itself is not seen, nor what both directions of a step take at once where they
    are made at once: here they are made in turn.
    """
    with in_turn(*state.networks.values()), _Watch() as watch:
        train_step(state, batch, whole_faces(batch))
    return StepCost(tuple(watch.phase_bytes), watch.flops)


def method_without_content(model: ModelConfig) -> AnyMethod:
    """The method of `model` with networks on the meta device: they have shapes, and take no memory or time."""
    with torch.device("meta"):
        method: AnyMethod = MODELS[model.name].load_method()(model)
    return method


def batch_without_content(batch_size: int, size: Size) -> Batch:
    """A batch of pictures of `size` (height, width) on the meta device."""
    return Batch(*(torch.empty(batch_size, 3, *size, device="meta") for _ in "ab"))


def extra_losses_without_content(config: LossesConfig) -> ExtraLosses:
    """The extra losses of `config` with their networks on the meta device."""
    return ExtraLosses(config, torch.device("meta"))


def whole_faces(batch: Batch) -> Faces:
    """Each picture of `batch` taken as a face: what a step costs at most."""
    return Faces(*(_whole(x) for x in (batch.x_a, batch.x_b)))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation in its block: how much memory the tensors take that they make, and their arithmetic."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.phase_bytes: list[int] = []
        self.flops = 0
        self._was_backward: bool | None = None
        self._bytes = 0
        self._alive: dict[int, weakref.finalize[..., Any]] = {}  # storages, which several tensors may share

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        known = {_key(tensor) for tensor in tree_iter((args, kwargs)) if isinstance(tensor, Tensor)}
        result = func(*args, **kwargs)
        count = _formula(func)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=result)
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor) and _key(tensor) not in known:
                self._note(tensor.untyped_storage())
        self._note_phase()
        return result

    def _note_phase(self) -> None:
        is_backward = torch._C._current_graph_task_id() != -1
        if is_backward != self._was_backward:
            self.phase_bytes.append(0)
            self._was_backward = is_backward
        self.phase_bytes[-1] = max(self.phase_bytes[-1], self._bytes)

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, num_bytes = storage._cdata, storage.nbytes()
        if key not in self._alive:
            self._bytes += num_bytes
            self._alive[key] = weakref.finalize(storage, self._forget, key, num_bytes)

    def _forget(self, key: int, num_bytes: int) -> None:
        self._bytes -= num_bytes
        del self._alive[key]


def _formula(func: Any) -> Callable[..., int] | None:
    """What counts the arithmetic of an operation from its arguments: torch's, or ours of what it leaves out."""
    if func.name() == "mkldnn::_linear_pointwise":
        return _flops_of_linear
    in_place = func.name() == "aten::baddbmm_"  # torch knows only the other one
    formula: Callable[..., int] | None = flop_registry.get(torch.ops.aten.baddbmm if in_place else func._overloadpacket)
    return formula


def _flops_of_linear(x: Tensor, weight: Tensor, *_: Any, **_more: Any) -> int:
    return 2 * x.numel() * len(weight)


def _whole(x: Tensor) -> FaceBoxes:
    height, width = x.shape[2:]
    box = torch.tensor([0.0, 0.0, width, height], device=x.device)
    return FaceBoxes(box.expand(len(x), 4), torch.ones(len(x), dtype=torch.bool, device=x.device))


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
