"""From a call to the end of its training, in one process or in all that were started for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unpaired.config import RunConfig, to_dict, validate
from unpaired.training.job import Job, TrainCall, prepare, start
from unpaired.training.processes import together

if TYPE_CHECKING:
    from unpaired.data.faces import Box
    from unpaired.training.loop import Result

_PATHS = ("a", "b", "test_a", "test_b")
_FACES = ("faces_a", "faces_b")


def launch(call: TrainCall) -> Result:
    """Prepare what `call` asks for, train, and return how it ended.

    Of several processes the main one alone looks at the pictures and chooses the run folder; the others do as it says.
    Raises one `UsageError` with everything that is wrong before anything is written.
    """
    with together() as processes:
        if processes.world_size == 1:
            return start(prepare(call))
        if not processes.is_main:
            return start(job_from(processes.from_main(str)), processes)
        job = prepare(replace(call, num_processes=processes.world_size))
        processes.from_main(lambda: text_of(job))
        return start(job, processes)


def text_of(job: Job) -> str:
    """`job` as text for the other processes: without what only the main one needs, such as the initial weights."""
    folders = job.folders
    faces = {name: getattr(folders, name) for name in _FACES}
    return json.dumps(
        {
            "config": to_dict(job.config),
            "pictures": {name: [str(path) for path in getattr(folders, name)] for name in _PATHS},
            "faces": {
                name: None if boxes is None else [[str(path), box] for path, box in boxes.items()]
                for name, boxes in faces.items()
            },
            "run_folder": str(job.run_folder),
            "resume": None if job.resume is None else str(job.resume),
        }
    )


def job_from(text: str) -> Job:
    """The job that `text_of` wrote down."""
    from unpaired.data.folders import PictureFolders

    data: dict[str, Any] = json.loads(text)
    a, b, test_a, test_b = (tuple(map(Path, data["pictures"][name])) for name in _PATHS)
    faces_a, faces_b = (_faces_from(data["faces"][name]) for name in _FACES)
    config: RunConfig = validate(RunConfig, data["config"], "the main process")
    return Job(
        config=config,
        folders=PictureFolders(a, b, test_a, test_b, faces_a=faces_a, faces_b=faces_b),
        run_folder=Path(data["run_folder"]),
        resume=None if data["resume"] is None else Path(data["resume"]),
    )


def _faces_from(boxes: list[tuple[str, Box]] | None) -> dict[Path, Box] | None:
    return None if boxes is None else {Path(path): (box[0], box[1], box[2], box[3]) for path, box in boxes}
