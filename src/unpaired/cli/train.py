"""`unpaired train`: find everything that is wrong, then plan, then train."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from unpaired.training.job import TrainCall

_SWITCH = Parameter(negative="", show_default=False)
_MANY = Parameter(negative="", show_default=False)


def train(
    folders: Annotated[
        tuple[Path, ...], _MANY, Parameter(help="A_DIR B_DIR, or one DATA_DIR with trainA and trainB.")
    ] = (),
    /,
    *,
    model: Annotated[str | None, Parameter(help="The model: munit or ugatit.")] = None,
    preset: Annotated[str | None, Parameter(help="A named starting point; see `unpaired config`.")] = None,
    config: Annotated[Path | None, Parameter(help="A YAML file of settings.")] = None,
    set_: Annotated[
        tuple[str, ...], _MANY, Parameter(name="--set", help="One setting, as model.generator.dim=32. May be repeated.")
    ] = (),
    steps: Annotated[str | None, Parameter(help="Updates of each network in the whole run.")] = None,
    size: Annotated[str | None, Parameter(help="Size to train at, in pixels: 64, or 64x96 (height x width).")] = None,
    batch: Annotated[str | None, Parameter(help="Pictures of each domain in a step.")] = None,
    device: Annotated[str | None, Parameter(help="auto, cpu, cuda or mps.")] = None,
    precision: Annotated[str | None, Parameter(help="auto, fp32 or bf16.")] = None,
    less_memory: Annotated[bool, _SWITCH, Parameter(help="Need less memory: one direction after the other.")] = False,
    recompute: Annotated[bool, _SWITCH, Parameter(help="Need less still: compute maps again, more slowly.")] = False,
    seed: Annotated[str | None, Parameter(help="Seed of everything that is random.")] = None,
    face_weight: Annotated[str | None, Parameter(help="Weight of the face identity loss; see docs/faces.md.")] = None,
    eval_every: Annotated[str | None, Parameter(help="Measure every so many steps, and keep the best weights.")] = None,
    out: Annotated[Path | None, Parameter(help="Run folder to make; by default the next number in runs/.")] = None,
    resume: Annotated[Path | None, Parameter(help="Run folder to go on with, or one of its snapshots.")] = None,
    init: Annotated[Path | None, Parameter(help="Bundle to take the initial weights from.")] = None,
    profile: Annotated[str | None, Parameter(help="Also write where the time of so many steps goes.")] = None,
    skip_bad: Annotated[bool, _SWITCH, Parameter(help="Leave out pictures that cannot be read.")] = False,
    dry_run: Annotated[bool, _SWITCH, Parameter(help="Only say what it would do and take.")] = False,
) -> int:
    """Train a translator between two folders of pictures."""
    from unpaired.training.job import TrainCall, flag_overrides

    call = TrainCall(
        folders=folders,
        model=model,
        preset=preset,
        config_file=config,
        sets=set_,
        flags=flag_overrides(
            {
                "steps": steps,
                "size": size,
                "batch": batch,
                "device": device,
                "precision": precision,
                "less-memory": "true" if less_memory else None,
                "recompute": "true" if recompute else None,
                "seed": seed,
                "face-weight": face_weight,
                "eval-every": eval_every,
                "skip-bad": "true" if skip_bad else None,
            }
        ),
        out=out,
        resume=resume,
        init=init,
        profile=profile,
        dry_run=dry_run,
    )
    return _dry_run(call) if dry_run else _train(call)


def _dry_run(call: TrainCall) -> int:
    from unpaired.training.engine import Engine
    from unpaired.training.job import prepare
    from unpaired.training.logs import say
    from unpaired.training.plan import describe, make_plan
    from unpaired.training.processes import refuse_several

    refuse_several("--dry-run: plans for one process", "Start it without torchrun or accelerate launch.")
    job = prepare(call)
    engine = Engine(job.config.device, job.config.precision)
    say(describe(make_plan(job.config, job.folders, job.run_folder, engine)))
    return 0


def _train(call: TrainCall) -> int:
    if call.profile is not None:  # before torch is imported: it warns of memory that is older than the profile
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

    from unpaired.training.launch import launch

    return launch(call).exit_code
