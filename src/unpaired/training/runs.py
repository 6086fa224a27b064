"""Run folders: numbered, self-describing, resumable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from unpaired import tensorfile
from unpaired.config import RunConfig, load, to_yaml
from unpaired.errors import Problem, UserError
from unpaired.training.checkpoint import LAST
from unpaired.training.commands import resume_command

CONFIG_FILE = "config.yaml"
DEFAULT_ROOT = Path("runs")
_NUMBERED = re.compile(r"(\d{4,})-")


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest checkpoint, whether it exists or not."""
        return self.checkpoints / LAST

    @property
    def samples(self) -> Path:
        """The folder of sample grids."""
        return self.path / "samples"

    @property
    def resume_command(self) -> str:
        """What to type to go on with this run."""
        return resume_command(self.path)

    def write_config(self, config: RunConfig) -> None:
        """Save the resolved config."""
        text = to_yaml(config).encode()
        tensorfile.replace_file(self.path / CONFIG_FILE, lambda temporary: _write(temporary, text), len(text))

    def read_config(self) -> RunConfig:
        """The saved config. Raises `UsageError`."""
        return load(self.path / CONFIG_FILE)


def plan_folder(config: RunConfig, out: Path | None) -> tuple[Path, list[Problem]]:
    """The folder of a new run: `out`, or the next number in `runs`; and why it cannot be. Nothing is made."""
    if out is None:
        return DEFAULT_ROOT / f"{_next_number(DEFAULT_ROOT):04d}-{config.model.name}-{_data_name(config)}", []
    if (out / CONFIG_FILE).exists():
        hint = f"To go on with it: {RunFolder(out).resume_command}. For a new run choose another folder."
        return out, [Problem(f"--out {out}: there is already a run in this folder", hint)]
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        return out, [Problem(f"--out {out}: exists and is not an empty folder", "Choose a new folder.")]
    return out, []


def make_folder(path: Path) -> RunFolder:
    """Make the run folder `path` with its sub-folders. Raises `UserError` when that is not possible."""
    run = RunFolder(path)
    try:
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out {path}: cannot be made ({error.strerror})", "Choose a folder you can write to."
        ) from error
    return run


def _next_number(root: Path) -> int:
    if not root.is_dir():
        return 1
    taken = [int(match[1]) for path in root.iterdir() if (match := _NUMBERED.match(path.name))]
    return max(taken, default=0) + 1


def _data_name(config: RunConfig) -> str:
    """A short name for what is trained on: the folder of trainA and trainB, or the two folders' names."""
    a, b = (Path(folder).resolve() for folder in (config.data.a or "a", config.data.b or "b"))
    name = a.parent.name if a.parent == b.parent and a.name.lower().startswith("train") else f"{a.name}2{b.name}"
    return re.sub(r"[^\w.-]+", "_", name) or "data"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
