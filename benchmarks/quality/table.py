"""The quality table: one line a training, from the reports that were written beside them.

python benchmarks/quality/table.py RESULTS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

METRICS = ("kid", "distance_to_truth", "diversity", "edges")
COLUMNS = {
    "KID ×1e3": "kid",
    "best of 10": "best_of_k",
    "mean": "mean_of_k",
    "diversity": "diversity",
    "edge F1": "edge_agreement",
}
