"""The house rules that a reader relies on: which way imports point, what loads fast, what a file may hold."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
PACKAGE = SRC / "unpaired"
FILES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of the others (besides itself). Whatever is not named may not be imported.
FOUNDATION = {"errors", "settings", "schedules"}
CONFIG = FOUNDATION | {"config", "config_fields", "presets", "models.config", "domain_names"}
MAY_IMPORT = {
    "errors": set(),
    "settings": set(),
    "schedules": {"errors"},
    "models.config": FOUNDATION,
    "config": FOUNDATION | {"models.config", "config_fields"},
    "config_fields": FOUNDATION,
    "presets": FOUNDATION | {"config", "models.config"},
    "domain_names": FOUNDATION | {"config", "models.config"},
    "tensorfile": FOUNDATION,
    "layers": FOUNDATION,
    "losses": FOUNDATION,
    "tensorflow_files": FOUNDATION,
    "pretrained": FOUNDATION | {"layers", "tensorflow_files"},
    "faces": FOUNDATION | {"layers", "pretrained", "tensorflow_files"},
    "data": FOUNDATION | {"config"},
    "models": CONFIG | {"tensorfile", "layers", "losses", "tensorflow_files"},
    "training": CONFIG  # a run may start from a bundle
    | {"tensorfile", "data", "models", "inference", "layers", "losses", "faces", "pretrained", "evaluation", "metrics"},
    "inference": CONFIG | {"tensorfile", "data", "models", "layers", "demo"},
    "metrics": CONFIG | {"tensorfile", "data", "models", "inference", "layers", "losses", "faces", "pretrained"},
    "evaluation": CONFIG | {"tensorfile", "data", "models", "inference", "metrics", "faces", "pretrained"},
    "demo": FOUNDATION,
    "cli": CONFIG
    | {"tensorfile", "data", "models", "training", "inference", "metrics", "evaluation", "demo", "faces", "pretrained"},
    "__init__": CONFIG | {"training", "inference", "evaluation"},
    "__main__": {"cli"},
}
HEAVY = {"torch", "torchvision", "pydantic", "PIL", "cv2", "accelerate", "safetensors", "tensorboard", "numpy"}
UNSAFE_CALL = re.compile(r"(pickle\.loads?|yaml\.(unsafe_|full_)?load)$")
LIGHT_PARTS = {
    "errors",
    "settings",
    "schedules",
    "models.config",
    "config",
    "config_fields",
    "presets",
    "domain_names",
    "cli",
    "__init__",
    "__main__",
}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The part of the house that `unpaired.x.y` belongs to; configs and the table of models are a part of their own."""
    if module == "unpaired":
        return "__init__"
    rest = module.removeprefix("unpaired.")
    if rest in ("models", "losses.config", "evaluation.config") or (
        re.fullmatch(r"models\.\w+(\.config)?", rest) and rest != "models.base"
    ):
        return "models.config"
    return rest.split(".")[0]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.AST, package: str, *, at_import_time: bool = False) -> Iterator[str]:
    """Every module that `tree` names in an import; `at_import_time`: only what importing the file itself runs."""
    for node in at_import_time_nodes(tree) if at_import_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{package} has a relative import: write it from `unpaired`"
            assert node.module
            yield from (imported_module(node.module, alias.name) for alias in node.names)


def imported_module(module: str, name: str) -> str:
    """`module.name` when that is a module of ours (`from unpaired.models import base`), else `module`."""
    full = f"{module}.{name}".replace(".", "/")
    is_ours = (SRC / f"{full}.py").is_file() or (SRC / full / "__init__.py").is_file()
    return f"{module}.{name}" if is_ours else module


def at_import_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of `tree` outside functions and outside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or is_type_checking(node):
            continue
        yield node
        yield from at_import_time_nodes(node)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def wrong_directions(path: Path) -> list[str]:
    module = module_name(path)
    part = part_of(module)
    assert part in MAY_IMPORT, f"{name_of(path)}: say in MAY_IMPORT what {part!r} may import"
    targets = {part_of(name) for name in imports(parse(path), module) if name.split(".")[0] == "unpaired"}
    # The models' table names their methods and importers, inside functions.
    allowed = MAY_IMPORT[part] | {part} | ({"models"} if module == "unpaired.models" else set())
    return [f"{name_of(path)} imports {target}" for target in sorted(targets - allowed)]


def heavy_imports(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(parse(path), module_name(path), at_import_time=True)} & HEAVY


def functions_and_classes(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What a module offers: its public functions and classes, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = (n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
            yield from (m for m in methods if not m.name.startswith("_"))


def is_documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    overrides = any("override" in ast.unparse(d) or "overload" in ast.unparse(d) for d in node.decorator_list)
    return overrides or bool(ast.get_docstring(node))


def unsafe_loads(tree: ast.AST) -> list[int]:
    """Lines that call `torch.load` without `weights_only=True`, or that unpickle in another way."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if keywords.get("weights_only") != "True":
                found.append(node.lineno)
        if isinstance(node, ast.Call) and re.search(
            r"(pickle\.loads?|yaml\.(unsafe_|full_)?load)$", ast.unparse(node.func)
        ):
            found.append(node.lineno)
    return found


def tracked_text_files() -> Iterable[Path]:
    """Every text file that belongs to the project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    binary = {".png", ".zip", ".safetensors", ".pt", ".npz", ".jpg", ".pb", ".index"}
    return [p for p in paths if p.is_file() and p.suffix not in binary and not p.suffix.startswith(".data-")]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    assert wrong_directions(path) == []


def test_accelerate_is_imported_in_one_file_only() -> None:
    users = {name_of(p) for p in FILES if any(n.split(".")[0] == "accelerate" for n in imports(parse(p), str(p)))}
    assert users == {"src/unpaired/training/engine.py"}


@pytest.mark.parametrize("path", [p for p in FILES if part_of(module_name(p)) in LIGHT_PARTS], ids=name_of)
def test_light_modules_import_nothing_heavy(path: Path) -> None:
    assert heavy_imports(path) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["config"], ["no-such-command"]])
def test_help_loads_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from unpaired.cli.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: ...\n"
        "print('LOADED', *sorted({'torch', 'torchvision', 'cv2', 'PIL', 'accelerate'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "LOADED"


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, unpaired, unpaired.presets; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    limit = 300 if path.name == "loop.py" else 400
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    functions = (n for n in ast.walk(parse(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    assert [f"{f.name}: {length}" for f in functions if (length := (f.end_lineno or 0) - f.lineno + 1) > 60] == []


def test_no_file_is_a_drawer_for_everything() -> None:
    assert [name_of(p) for p in FILES if p.stem in {"utils", "util", "helpers", "helper", "common", "misc"}] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_that_is_loaded_may_run_code(path: Path) -> None:
    assert unsafe_loads(parse(path)) == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_everything_public_is_documented(path: Path) -> None:
    tree = parse(path)
    assert path.stat().st_size == 0 or ast.get_docstring(tree), "the module has no docstring"
    assert [f"line {n.lineno}: {n.name}" for n in functions_and_classes(tree) if not is_documented(n)] == []


def test_nothing_names_a_place_of_one_machine() -> None:
    # Written in pieces, so that this file does not find itself.
    place = re.compile("|".join(["/" + "work/", "/" + "home/", "/" + "Users/", r"\.\./" + "shared", "/" + "tmp/"]))
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in tracked_text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if place.search(line)
    ]
    assert found == []


class TestTheChecksThemselves:
    """Each check above has to see what it forbids."""

    def test_part_of(self) -> None:
        assert part_of("unpaired.models.munit.config") == "models.config"
        assert part_of("unpaired.models") == "models.config"
        assert part_of("unpaired.losses.config") == "models.config"
        assert part_of("unpaired.evaluation.config") == "models.config"
        assert part_of("unpaired.evaluation.report") == "evaluation"
        assert part_of("unpaired.models.base") == "models"
        assert part_of("unpaired.models.munit.networks") == "models"
        assert part_of("unpaired.training.loop") == "training"

    def test_a_submodule_imported_by_name_counts_as_itself(self) -> None:
        tree = ast.parse("from unpaired.models import base\nfrom unpaired.models import MODELS")
        assert list(imports(tree, "x")) == ["unpaired.models.base", "unpaired.models"]

    def test_imports_inside_functions_count_for_the_direction_only(self) -> None:
        tree = ast.parse("def f():\n    import torch\nif TYPE_CHECKING:\n    import cv2\nclass C:\n    import PIL\n")
        assert set(imports(tree, "x")) == {"torch", "cv2", "PIL"}
        assert set(imports(tree, "x", at_import_time=True)) == {"PIL"}

    @pytest.mark.parametrize(
        "code",
        ["torch.load(p)", "torch.load(p, weights_only=False)", "pickle.load(f)", "yaml.load(t)", "yaml.unsafe_load(t)"],
    )
    def test_unsafe_loads(self, code: str) -> None:
        assert unsafe_loads(ast.parse(code)) == [1]
        assert unsafe_loads(ast.parse("torch.load(p, weights_only=True)\nyaml.safe_load(t)\njson.load(f)")) == []

    def test_undocumented_things_are_seen(self) -> None:
        tree = ast.parse("def f(): ...\nclass C:\n    'doc'\n    def m(self): ...\n    def _p(self): ...\n")
        assert [n.name for n in functions_and_classes(tree) if not is_documented(n)] == ["f", "m"]

    def test_every_part_exists_or_is_planned(self) -> None:
        parts = {part_of(module_name(path)) for path in FILES}
        planned = {"faces", "metrics", "pretrained", "tensorflow_files"}
        assert set(MAY_IMPORT) == parts | planned

    def test_the_package_is_where_it_is_imported_from(self) -> None:
        spec = importlib.util.find_spec("unpaired")
        assert spec is not None
        assert Path(str(spec.origin)).parent == PACKAGE
