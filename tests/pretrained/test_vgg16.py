"""VGG16's features against torchvision's network, from each of the files that its weights come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

from unpaired.errors import UserError
from unpaired.pretrained.vgg16 import CONVS, LAYERS, Trunk, Vgg16Features, VggName, read_trunk

h5py = pytest.importorskip("h5py")

WIDTHS = (4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8)
NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of the convolutions in torchvision's `features`
State = dict[str, Tensor]


@pytest.fixture
def pairs() -> list[tuple[Tensor, Tensor]]:
    """A narrow VGG16: weights (out, in, 3, 3) and biases of its 13 convolutions."""
    torch.manual_seed(0)
    inputs = (3, *WIDTHS)
    return [
        (torch.randn(out, num_in, 3, 3) * (2 / 9 / num_in) ** 0.5, torch.randn(out) * 0.1)
        for num_in, out in zip(inputs, WIDTHS, strict=False)
    ]


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1


def caffe_state(pairs: list[tuple[Tensor, Tensor]]) -> State:
    return {
        f"conv{conv}.{kind}": tensor
        for conv, pair in zip(CONVS, pairs, strict=True)
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def torchvision_state(pairs: list[tuple[Tensor, Tensor]]) -> State:
    state = {f"features.{number}.weight": weight for number, (weight, _) in zip(NUMBERS, pairs, strict=True)}
    state |= {f"features.{number}.bias": bias for number, (_, bias) in zip(NUMBERS, pairs, strict=True)}
    return state | {"classifier.0.weight": torch.zeros(1)}


def write_hed(path: Path, pairs: list[tuple[Tensor, Tensor]]) -> None:
    with h5py.File(path, "w") as file:
        for conv, (weight, bias) in zip(CONVS, pairs, strict=True):
            block, i = conv.split("_")
            layer = f"block{block}/layers/conv2d" + ("" if i == "1" else f"_{int(i) - 1}")
            file[f"{layer}/vars/0"] = weight.permute(2, 3, 1, 0).numpy()
            file[f"{layer}/vars/1"] = bias.numpy()
        file["dsn1/vars/0"] = [[[[1.0]]]]


def plain_features(x: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """The layers of VGG16 for pictures `x` as the network itself takes them, written out."""
    found = {}
    for conv, (weight, bias) in zip(CONVS, pairs, strict=True):
        if conv.endswith("_1") and conv != "1_1":
            x = max_pool2d(x, 2)
        x = relu(conv2d(x, weight, bias, padding=1))
        found[f"relu{conv}"] = x
    return found


def features(name: VggName, path: Path, **options: Any) -> Vgg16Features:
    return Vgg16Features(read_trunk(name, path), label="test", **options)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(LAYERS)
    for layer in LAYERS:
        torch.testing.assert_close(found[layer], expected[layer], rtol=1e-5, atol=1e-5 * float(expected[layer].max()))


class TestFiles:
    def test_torchvision(self, pairs: list[tuple[Tensor, Tensor]], x: Tensor, tmp_path: Path) -> None:
        torch.save(torchvision_state(pairs), tmp_path / "vgg16.pth")
        normalize = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        expected = plain_features(normalize((x + 1) / 2), pairs)
        assert_same(features("vgg16", tmp_path / "vgg16.pth")(x, LAYERS), expected)

    def test_munits_file(self, pairs: list[tuple[Tensor, Tensor]], x: Tensor, tmp_path: Path) -> None:
        torch.save(caffe_state(pairs), tmp_path / "vgg16.weight", _use_new_zipfile_serialization=False)
        bgr = (x.flip(1) + 1) * 255 * 0.5 - torch.tensor([103.939, 116.779, 123.680]).view(1, 3, 1, 1)
        expected = plain_features(bgr, pairs)
        assert_same(features("vgg16-caffe", tmp_path / "vgg16.weight")(x, LAYERS), expected)

    def test_munits_file_as_torch_0_3_wrote_it(
        self, pairs: list[tuple[Tensor, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def reduce_as_then(self: Tensor, _protocol: int) -> tuple[Any, ...]:
            arguments = (self.untyped_storage(), self.storage_offset(), self.size(), self.stride())
            return torch._utils._rebuild_tensor, (self._typed_storage(), *arguments[1:])

        with monkeypatch.context() as patch:
            patch.setattr(Tensor, "__reduce_ex__", reduce_as_then)
            torch.save(caffe_state(pairs), tmp_path / "vgg16.weight", _use_new_zipfile_serialization=False)
        assert b"_rebuild_tensor\n" in (tmp_path / "vgg16.weight").read_bytes()
        weight, bias = read_trunk("vgg16-caffe", tmp_path / "vgg16.weight").convolutions[1]
        torch.testing.assert_close((weight, bias), pairs[1])

    def test_the_original_weights_from_torchvision(
        self, pairs: list[tuple[Tensor, Tensor]], x: Tensor, tmp_path: Path
    ) -> None:
        torch.save(torchvision_state(pairs), tmp_path / "vgg16_features.pth")
        normalize = torchvision.transforms.Normalize((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255))
        expected = plain_features(normalize((x + 1) / 2), pairs)
        assert_same(features("vgg16-caffe", tmp_path / "vgg16_features.pth")(x, LAYERS), expected)

    def test_hed(self, pairs: list[tuple[Tensor, Tensor]], x: Tensor, tmp_path: Path) -> None:
        write_hed(tmp_path / "hed.h5", pairs)
        bgr = ((x + 1) * 127.5)[:, [2, 1, 0]] - torch.tensor([104.00699, 116.66877, 122.67892]).view(1, 3, 1, 1)
        assert_same(features("hed-vgg16", tmp_path / "hed.h5")(x, LAYERS), plain_features(bgr, pairs))


def test_full_width_against_torchvisions_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16(weights=None).features.eval()
    torch.save({f"features.{name}": tensor for name, tensor in reference.state_dict().items()}, tmp_path / "v.pth")
    ours = features("vgg16", tmp_path / "v.pth")
    assert sum(parameter.numel() for parameter in ours.parameters()) == 14_714_688
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    normalize = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.no_grad():
        torch.testing.assert_close(ours(x)["relu5_3"], reference[:30](normalize((x + 1) / 2)), rtol=1e-4, atol=1e-6)


class TestBehaviour:
    @pytest.fixture
    def net(self, pairs: list[tuple[Tensor, Tensor]], tmp_path: Path) -> Vgg16Features:
        torch.save(torchvision_state(pairs), tmp_path / "vgg16.pth")
        return features("vgg16", tmp_path / "vgg16.pth")

    def test_without_the_fourth_pool_as_in_munits_code(
        self, net: Vgg16Features, pairs: list[tuple[Tensor, Tensor]], x: Tensor, tmp_path: Path
    ) -> None:
        without = features("vgg16", tmp_path / "vgg16.pth", has_fourth_pool=False)
        assert without(x)["relu5_3"].shape == (2, 8, 6, 5)
        assert net(x)["relu5_3"].shape == (2, 8, 3, 2)
        y = net(x, ["relu4_3"])["relu4_3"]
        for weight, bias in pairs[10:]:
            y = relu(conv2d(y, weight, bias, padding=1))
        torch.testing.assert_close(without(x)["relu5_3"], y)

    def test_only_what_is_asked_for_in_the_order_asked(self, net: Vgg16Features, x: Tensor) -> None:
        assert list(net(x, ("relu3_1", "relu1_2"))) == ["relu3_1", "relu1_2"]
        with pytest.raises(AssertionError, match="relu6_1"):
            net(x, ["relu6_1"])

    def test_it_stays_frozen_and_in_evaluation_mode(self, net: Vgg16Features) -> None:
        around = nn.Sequential(net).train()
        assert not any(module.training for module in around[0].modules())
        assert not any(parameter.requires_grad for parameter in around.parameters())

    def test_the_picture_gets_a_gradient_and_is_not_changed(self, net: Vgg16Features, x: Tensor) -> None:
        before = x.clone()
        x.requires_grad_()
        net(x, ["relu2_1"])["relu2_1"].square().mean().backward()
        assert x.grad is not None
        assert bool((x.grad.abs().sum(dim=(1, 2, 3)) > 0).all())
        torch.testing.assert_close(x.detach(), before, rtol=0, atol=0)

    def test_float32_under_autocast(self, net: Vgg16Features, x: Tensor) -> None:
        expected = net(x)["relu5_3"]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = net(x.bfloat16().float())["relu5_3"], net(x)["relu5_3"]
        assert found[0].dtype == torch.float32
        torch.testing.assert_close(found[1], expected, rtol=0, atol=0)


class TestWrongFiles:
    def test_torn(self, pairs: list[tuple[Tensor, Tensor]], tmp_path: Path) -> None:
        path = tmp_path / "vgg16.pth"
        torch.save(torchvision_state(pairs), path)
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(UserError, match="is torn or not a PyTorch file of tensors"):
            read_trunk("vgg16", path)
        (tmp_path / "hed.h5").write_bytes(b"no hdf5")
        with pytest.raises(UserError, match="is torn or not an HDF5 file"):
            read_trunk("hed-vgg16", tmp_path / "hed.h5")

    def test_another_network(self, tmp_path: Path) -> None:
        path = tmp_path / "alexnet.pth"
        torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11), "features.0.bias": torch.zeros(64)}, path)
        with pytest.raises(
            UserError, match=r"is not a VGG16: holds 1 of its 13 convolutions; its first names are feat"
        ):
            read_trunk("vgg16", path)
        torch.save([1, 2], path)
        with pytest.raises(UserError, match="is not a VGG16: holds a list"):
            read_trunk("vgg16", path)

    def test_other_shapes(self, pairs: list[tuple[Tensor, Tensor]], tmp_path: Path) -> None:
        state = caffe_state(pairs) | {"conv3_2.weight": torch.zeros(6, 6, 1, 1)}
        torch.save(state, tmp_path / "vgg16.weight")
        with pytest.raises(UserError, match=r"conv3_2 has the shape \(6, 6, 1, 1\), not \(6, 6, 3, 3\)"):
            read_trunk("vgg16-caffe", tmp_path / "vgg16.weight")

    def test_without_h5py(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "h5py", None)
        with pytest.raises(UserError, match="h5py is needed") as caught:
            read_trunk("hed-vgg16", tmp_path / "hed.h5")
        assert "unpaired[perceptual]" in caught.value.problems[0].hint


def test_a_trunk_says_what_it_holds(pairs: list[tuple[Tensor, Tensor]], tmp_path: Path) -> None:
    torch.save(torchvision_state(pairs), tmp_path / "vgg16.pth")
    trunk: Trunk = read_trunk("vgg16", tmp_path / "vgg16.pth")
    assert len(trunk.convolutions) == len(CONVS) == 13
