"""Whether a translation shows the same person as its source, told by the embeddings of a face-recognition network."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu


def face_identity_loss(
    source_embedding: Tensor,
    translated_embedding: Tensor,
    present: Tensor,
    hinge: float = 0.0,
    num_counted: Tensor | None = None,
) -> Tensor:
    """Mean of max(0, ‖source − translated‖² − hinge) over the samples that are `present`; 0 when none is.

    The embeddings are (N, D) of length 1, so that the squared distance is 2·(1 − cos), between 0 and 4; `present` is
    (N,) bool. The source is a fixed target: the gradient goes into the translation alone, and is 0 for samples without
    a face. Pairs nearer than `hinge` are left alone. FaceNet's distance (Schroff et al., CVPR 2015) as a loss. The sum
    is divided by the number of those present, or by `num_counted` where they are only some of a batch.
    """
    distances = (source_embedding.detach().float() - translated_embedding.float()).square().sum(dim=1)
    counted = present.to(distances.dtype)
    num = counted.sum().clamp(min=1) if num_counted is None else num_counted
    return (relu(distances - hinge) * counted).sum() / num
