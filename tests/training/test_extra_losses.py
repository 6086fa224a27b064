"""Losses with pretrained networks beside a model's own: what is on, what it costs, what stays as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_networks import UGATIT
from torch import nn

from unpaired import tensorfile
from unpaired.data.faces import Face as DetectedFace
from unpaired.data.faces import FaceBoxes, PictureFaces, write_faces
from unpaired.errors import UsageError
from unpaired.faces import embedder
from unpaired.faces.embedder import FACE_NETWORKS, FaceEmbedder
from unpaired.faces.facenet_weights import load_facenet
from unpaired.losses.config import FaceConfig, LossesConfig, PerceptualConfig
from unpaired.models.base import Batch
from unpaired.pretrained.store import require
from unpaired.training.engine import Engine
from unpaired.training.extra_losses import network_names
from unpaired.training.face_loss import Faces
from unpaired.training.job import TrainCall, flag_overrides, prepare
from unpaired.training.loop import train
from unpaired.training.runs import make_folder
from unpaired.training.state import TrainState, rng_for
from unpaired.training.step import train_step

FACE = LossesConfig(face=FaceConfig(weight_ab=5.0, weight_ba=5.0, ramp_steps=0))
OFF = LossesConfig(face=FaceConfig(weight_ab=0.0, weight_ba=0.0), perceptual=PerceptualConfig(weight=0.0))


class Bricks(nn.Module):
    """A toy face network, so that steps take milliseconds: the unit vector of the mean colours of 16 parts."""

    def forward(self, x):
        return nn.functional.normalize(nn.functional.adaptive_avg_pool2d(x + 2, 4).flatten(1))


@pytest.fixture
def toy_network(monkeypatch):
    facts = replace(FACE_NETWORKS["facenet-casia"], dim=48)
    monkeypatch.setattr(embedder, "load_embedder", lambda name: FaceEmbedder(Bricks(), facts, name))


@pytest.fixture
def batch() -> Batch:
    return Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d)) * 2 - 1 for d in "ab"))


@pytest.fixture
def faces() -> Faces:
    whole = torch.tensor([[0.0, 0.0, 16.0, 16.0]] * 2)
    return Faces(FaceBoxes(whole, torch.tensor([True, True])), FaceBoxes(whole, torch.tensor([True, False])))


def test_a_run_with_weight_0_is_bit_for_bit_one_that_never_heard_of_faces(changed, batch, faces):
    with_it, without = TrainState(changed(losses=OFF), Engine("cpu")), TrainState(changed(), Engine("cpu"))
    values = [train_step(state, batch, seen) for state, seen in ((with_it, faces), (without, None))]
    assert values[0] == values[1]
    after = with_it.tensors(), without.tensors()
    assert after[0].keys() == after[1].keys()
    assert all(torch.equal(after[0][name], after[1][name]) for name in after[0])


def test_what_is_off_needs_no_network():
    assert network_names(LossesConfig()) == []
    assert network_names(OFF) == []
    assert network_names(LossesConfig(face=FACE.face, perceptual=PerceptualConfig(network="hed-vgg16"))) == [
        "facenet-casia",
        "hed-vgg16",
    ]


@pytest.mark.parametrize("model", ["munit", "ugatit"])
def test_every_model_lowers_the_face_distance(toy_network, changed, batch, faces, model):
    config = changed(losses=FACE) if model == "munit" else changed(losses=FACE, model=UGATIT)
    state = TrainState(config, Engine("cpu"))
    start = {name: tensor.clone() for name, tensor in state.method.generators.state_dict().items()}
    values = train_step(state, batch, faces)
    assert 0 < values["generator/face_b"] < 4
    assert values["face/distance_b"] == pytest.approx(values["generator/face_b"])
    assert (values["face/without_b"], values["face/without_a"]) == (0.0, 0.5)
    plain = TrainState(changed(model=config.model), Engine("cpu"))
    train_step(plain, batch)
    assert any(not torch.equal(t, start[n]) for n, t in state.method.generators.state_dict().items())
    moved = zip(
        state.method.generators.state_dict().values(), plain.method.generators.state_dict().values(), strict=True
    )
    assert any(not torch.equal(ours, theirs) for ours, theirs in moved)


def test_the_face_network_of_a_run_is_the_one_in_the_file_and_stays_so(changed, batch, faces):
    """The first code of this kind drew FaceNet's weights anew when it initialized its own networks."""
    state = TrainState(changed(losses=FACE), Engine("cpu"))
    train_step(state, batch, faces)
    assert state.extra_losses.face is not None
    network = state.extra_losses.face.embedder.network.state_dict()
    file = load_facenet(require("facenet-casia")).state_dict()
    assert network.keys() == file.keys()
    assert all(torch.equal(network[name], file[name]) for name in file)


def test_no_checkpoint_holds_the_face_network(changed):
    """The first code of this kind saved all of FaceNet into every checkpoint."""
    with_faces, without = TrainState(changed(losses=FACE), Engine("cpu")), TrainState(changed(), Engine("cpu"))
    assert with_faces.tensors().keys() == without.tensors().keys()


class TestCalls:
    """What a call that asks for faces is told."""

    @pytest.fixture
    def call(self, picture_folders, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for domain in "ab":
            folder = tmp_path / domain
            folder.mkdir()
            for path in getattr(picture_folders, domain):
                (folder / path.name).write_bytes(path.read_bytes())

        def make(**flags: str) -> TrainCall:
            sets = ("model.generator.dim=4", "model.discriminator.num_layers=2", "model.discriminator.num_scales=1")
            given = {"size": "16", "steps": "1", **{name.replace("_", "-"): text for name, text in flags.items()}}
            return TrainCall(folders=(tmp_path / "a", tmp_path / "b"), sets=sets, flags=flag_overrides(given))

        return make

    def boxes(self, folder: Path, *, num_faces: int) -> None:
        whole = (DetectedFace((0.0, 0.0, 16.0, 16.0), 1.0),)
        pictures = sorted(folder.glob("*.png"))
        found = {
            path: PictureFaces((16, 16), path.stat().st_size, whole if index < num_faces else ())
            for index, path in enumerate(pictures)
        }
        write_faces(folder, "drawn", found)

    def test_both_directions_take_the_short_flags_weight(self, call, tmp_path):
        for domain in "ab":
            self.boxes(tmp_path / domain, num_faces=3)
        job = prepare(call(face_weight="5"))
        assert job.config.losses.face == FaceConfig(weight_ab=5.0, weight_ba=5.0)
        assert len(job.folders.faces_a) == len(job.folders.faces_b) == 3

    def test_missing_box_files_are_named_with_both_ways_out(self, call, tmp_path):
        with pytest.raises(UsageError) as caught:
            prepare(call(face_weight="5"))
        messages = [str(problem) for problem in caught.value.problems]
        assert len(messages) == 2
        assert f"unpaired data faces {tmp_path / 'b'}" in messages[1]
        assert "--set losses.face.weight_ba=0" in messages[1]

    def test_a_direction_that_is_off_needs_no_boxes(self, call, tmp_path):
        self.boxes(tmp_path / "a", num_faces=3)
        base = call(face_weight="5")
        job = prepare(TrainCall(**{**vars(base), "sets": (*base.sets, "losses.face.weight_ba=0")}))
        assert job.config.losses.face == FaceConfig(weight_ab=5.0, weight_ba=0.0)
        assert job.folders.faces_b is None

    def test_no_face_at_all_is_a_problem(self, call, tmp_path):
        self.boxes(tmp_path / "a", num_faces=0)
        self.boxes(tmp_path / "b", num_faces=1)
        with pytest.raises(UsageError, match="no face found in any of 5 pictures"):
            prepare(call(face_weight="5"))

    def test_a_box_file_of_other_pictures_is_refused(self, call, tmp_path):
        self.boxes(tmp_path / "a", num_faces=3)
        self.boxes(tmp_path / "b", num_faces=3)
        first = sorted((tmp_path / "a").glob("*.png"))[0]
        first.write_bytes(sorted((tmp_path / "b").glob("*.png"))[-1].read_bytes() + b" ")
        with pytest.raises(UsageError, match="made for other pictures"):
            prepare(call(face_weight="5"))

    def test_missing_weights_and_missing_boxes_come_together(self, call, tmp_path, monkeypatch):
        monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path / "empty"))
        base = call(face_weight="5")
        sets = (*base.sets, "losses.face.network=facenet-vggface2")
        with pytest.raises(UsageError) as caught:
            prepare(TrainCall(**{**vars(base), "sets": sets}))
        text = str(caught.value)
        assert "unpaired weights get facenet-vggface2" in text
        assert "unpaired data faces" in text


@pytest.mark.parametrize("model", ["munit", "ugatit"])
def test_a_run_with_faces_resumes_bit_for_bit(toy_network, changed, picture_folders, tmp_path, model):
    """Centered embeddings have origins that no checkpoint holds: they have to come out the same after a resume."""
    half = (0.1, 0.1, 0.9, 0.9)
    folders = replace(
        picture_folders,
        faces_a=dict.fromkeys(picture_folders.a[1:], half),
        faces_b=dict.fromkeys(picture_folders.b[:-1], half),
    )
    losses = LossesConfig(face=replace(FACE.face, centered=True, ramp_steps=3))
    config = changed(losses=losses, batch_size=1, **({} if model == "munit" else {"model": UGATIT}))
    runs = [make_folder(tmp_path / name) for name in ("unbroken", "resumed")]
    for run in runs:
        run.write_config(config)
    train(config, folders, runs[0])
    train(replace(config, steps=2), folders, runs[1])
    train(config, folders, runs[1], resume=runs[1].last_checkpoint)
    (_, expected), (_, found) = (tensorfile.read(run.last_checkpoint) for run in runs)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    lines = [json.loads(line) for line in (runs[1].path / "metrics.jsonl").read_text().splitlines()]
    assert all("generator/face_a" in line for line in lines)
