"""The number types of TensorFlow's tensors (`tensorflow/core/framework/types.proto`) that numpy has too."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMPY_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    5: np.dtype("<i2"),
    6: np.dtype("i1"),
    9: np.dtype("<i8"),
    10: np.dtype("?"),
}
"""numpy's type by TensorFlow's number. Text, half, complex and quantized numbers are left out: no network here has
them."""
