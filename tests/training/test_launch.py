from dataclasses import replace
from pathlib import Path

from unpaired.data.images import BadPicture
from unpaired.losses.config import FaceConfig, LossesConfig
from unpaired.training.job import Job
from unpaired.training.launch import job_from, text_of
from unpaired.training.state import InitialWeights


def test_a_job_reaches_the_other_processes_as_it_is(changed, picture_folders):
    config = changed(losses=LossesConfig(face=FaceConfig(weight_ab=((10, 0.5), (20, 1.0)))))
    faces = dict.fromkeys(picture_folders.a[:2], (0.1, 0.2, 1 / 3, 0.9))
    folders = replace(picture_folders, test_a=picture_folders.b[:1], faces_a=faces, faces_b={})
    job = Job(config, folders, Path("runs/0007-munit-ä"), resume=Path("runs/0007-munit-ä/checkpoints/last.safetensors"))
    assert job_from(text_of(job)) == job


def test_what_only_the_main_process_needs_stays_with_it(config, picture_folders):
    folders = replace(picture_folders, skipped=(BadPicture(Path("bad.png"), "is torn"),))
    job = job_from(text_of(Job(config, folders, Path("run"), init=InitialWeights({}), num_profiled=5)))
    assert job == Job(config, picture_folders, Path("run"))
