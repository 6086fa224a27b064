"""What one training step needs, counted without computing it: bytes that autograd keeps, and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unpaired.data.faces import FaceBoxes
from unpaired.layers.share import Share
from unpaired.losses.config import LossesConfig
from unpaired.models import MODELS, ModelConfig
from unpaired.models.base import AnyMethod, Batch
from unpaired.training.extra_losses import ExtraLosses
from unpaired.training.face_loss import Faces

Size = tuple[int, int]
Autocast = Callable[[], AbstractContextManager[None]]


BACKWARD_COST = 2  # of a forward pass: one for the gradients of what comes in, one for those of the weights


@dataclass(frozen=True)
class StepCost:
    """`kept_bytes`: the most that autograd keeps at a time, without weights. `flops`: of all passes of the step."""

    kept_bytes: int
    flops: int


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


def count_step(
    method: AnyMethod, batch: Batch, step: int, extra_losses: ExtraLosses, autocast: Autocast = nullcontext
) -> StepCost:
    """The cost of the update of `method` on `batch` after `step` updates. On the meta device nothing is computed.

    The generators' pass is kept until the end of the step. The discriminators' update and the generators' losses come
    one after the other, so only the larger of the two counts. Only forward passes run here: the arithmetic of the
    backward passes follows from theirs.
    """
    share = Share(torch.Generator().manual_seed(0))
    generate, judge, fool = _Pass(), _Pass(), _Pass()
    method.discriminators.requires_grad_(True)
    with autocast(), generate.watched():
        outputs = method.generate(method.generators, batch, share, step)
    with autocast(), judge.watched():
        method.discriminator_terms(method.discriminators, outputs.detached(), batch, share, step)
    method.discriminators.requires_grad_(False)
    with autocast(), fool.watched():
        method.generator_terms(method.discriminators, outputs, batch, share, step)
        extra_losses.terms(outputs, batch, whole_faces(batch), share, step)
    own = _storages(method.generators, method.discriminators, *extra_losses.networks)
    known = own | generate.storages.keys()
    return StepCost(
        kept_bytes=generate.num_bytes(own) + max(judge.num_bytes(known), fool.num_bytes(known)),
        flops=(1 + BACKWARD_COST) * (generate.flops + judge.flops) + BACKWARD_COST * fool.flops,
    )


class _Pass:
    """One pass of a step: its arithmetic, and the storages that autograd keeps of it."""

    def __init__(self) -> None:
        self.storages: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice
        self._counter = FlopCounterMode(display=False)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The context in which the pass runs."""
        with self._counter, torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor):
            yield

    @property
    def flops(self) -> int:
        """The multiplications and additions of the forward pass."""
        return int(self._counter.get_total_flops())

    def num_bytes(self, known: Container[int]) -> int:
        """The size of all noted storages that are not `known`. Two tensors may share one."""
        return sum(storage.nbytes() for key, storage in self.storages.items() if key not in known)

    def _note(self, tensor: Tensor) -> Tensor:
        self.storages[_key(tensor)] = tensor.untyped_storage()
        return tensor


def _whole(x: Tensor) -> FaceBoxes:
    height, width = x.shape[2:]
    box = torch.tensor([0.0, 0.0, width, height], device=x.device)
    return FaceBoxes(box.expand(len(x), 4), torch.ones(len(x), dtype=torch.bool, device=x.device))


def _storages(*networks: nn.Module) -> set[int]:
    """The storages of all weights and buffers of `networks`."""
    return {_key(tensor) for network in networks for tensor in (*network.parameters(), *network.buffers())}


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
