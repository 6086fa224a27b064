"""The Python API of a trained model: pictures in, pictures out, or tensors step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from unpaired.data.images import BadPicture, as_rgb, read_picture, to_image, to_tensor
from unpaired.errors import UsageError, UserError
from unpaired.inference.bundle import Bundle, open_model
from unpaired.inference.checks import (
    check_codes,
    check_domain,
    check_fixed_size,
    check_has_codes,
    check_pictures,
    check_seed,
    check_sides,
    codes_from,
)
from unpaired.inference.devices import choose_device, choose_precision, computing_in
from unpaired.inference.sizes import Size, cropped, enlarged, limited, padded, resized, working_size
from unpaired.inference.streams import in_streams
from unpaired.inference.tiles import translate_in_tiles
from unpaired.layers.convolution import arranged
from unpaired.layers.heat_maps import stretched
from unpaired.layers.lasting import make_lasting
from unpaired.models.base import Domain, TranslationNetworks, other

MAX_PIXELS = 1024 * 1024
"""Pictures of more pixels are translated in tiles of at most that many (under 3 GiB of memory at the paper's width)."""

_SMALLEST_FOR_STYLE = 32  # pixels: what style encoders with five halvings need

Picture = Image.Image | Path | str | np.ndarray[Any, Any]
Codes = Tensor | np.ndarray[Any, Any] | Sequence[float] | Sequence[Sequence[float]]


def load(model: str | Path, *, device: str = "auto", precision: str = "auto", raw: bool = False) -> Translator:
    """The translator of a run folder, a checkpoint file or a bundle folder.

    Uses the moving average of the weights where there is one, the last weights with `raw`. Raises `UserError`.
    """
    return Translator(open_model(Path(model), raw=raw), device=device, precision=precision)


class Translator:
    """Translates pictures between the two domains of one trained model.

    Tensors of pictures are (N, 3, H, W) float32 in [-1, 1]; style codes are (N, style_dim). Results are on `device`.
    With `precision` bf16 convolutions compute in 16 bits, and pictures differ by a grey level or two; tensors that go
    in and come out are float32, and styles are encoded in it.

    Pictures of more than `max_pixels` pixels are translated in tiles, so that memory stays bounded; models with a
    `fixed_size`, such as the full U-GAT-IT, take no others.
    """

    def __init__(
        self, bundle: Bundle, *, device: str = "auto", precision: str = "fp32", max_pixels: int = MAX_PIXELS
    ) -> None:
        self.bundle = bundle
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.max_pixels = max_pixels
        networks = arranged(bundle.build_networks(), self.device)
        make_lasting(networks)
        self.networks = cast(TranslationNetworks, networks)

    @property
    def style_dim(self) -> int | None:
        """How many numbers a style code has; None when the model has one answer a picture."""
        return self.networks.style_dim

    @property
    def fixed_size(self) -> Size | None:
        """The only height and width that the model knows; None when it takes all."""
        return self.networks.fixed_size

    @property
    def has_attention(self) -> bool:
        """Whether the model can say where it looks."""
        return self.networks.has_attention

    def translate(
        self,
        image: Picture,
        *,
        to: Domain,
        num_styles: int | None = None,
        style: Picture | Sequence[Picture] | Codes | None = None,
        seed: int = 0,
        size: int | Literal["original"] | None = None,
        original_size: bool = False,
    ) -> list[Image.Image]:
        """`image` (a PIL image, a path or an array (H, W, 3) of bytes) translated to domain `to`, one picture a style.

        The styles are `num_styles` (1) drawn from `seed`, or those of `style`: example pictures of domain `to` (one or
        a list), or codes (style_dim,) or (styles, style_dim). A seed's first styles are the same for any number.

        The networks work on pictures whose shorter side is that of training, or `size` pixels ("original": the
        picture's own). The results have that size, or with `original_size` that of `image`. A model with a
        `fixed_size` works at that one: pictures of another shape are stretched to it. Raises `UserError`.
        """
        check_domain(to)
        picture = self.open_picture(image)
        codes = self._codes(to, num_styles, style, seed)
        own_size = (picture.height, picture.width)
        x = to_tensor(resized(picture, self.working_size(own_size, size)))[None]
        images = [to_image(y[0]) for y in self.variants(x, to, codes)]
        return [enlarged(result, own_size) for result in images] if original_size else images

    def open_picture(self, image: Picture) -> Image.Image:
        """`image` as an RGB PIL image. Raises `UserError` when it is not a picture."""
        if isinstance(image, (str, Path)):
            try:
                return read_picture(Path(image), self.bundle.config.data.background)
            except BadPicture as error:
                raise UserError(f"{image}: cannot be read ({error.reason})", "Give a whole picture file.") from error
        if isinstance(image, np.ndarray):
            image = _image_of_array(image)
        if not isinstance(image, Image.Image):
            raise UsageError(
                f"a picture is expected, this is {type(image).__name__}",
                "Give a PIL image, a path or an array; for tensors use translate_tensor.",
            )
        return as_rgb(image, self.bundle.config.data.background)

    def working_side(self, size: int | Literal["original"] | None = None) -> int | None:
        """The shorter side, in pixels, to work at; None for the picture's own. `size` None means as in training."""
        if size is None:
            return self.bundle.config.data.working_side
        if size == "original":
            return None
        if not isinstance(size, int) or size < 1:
            raise UsageError(f"size {size!r}: is not allowed", 'It takes a number of pixels, 1 or more, or "original".')
        return size

    def working_size(self, own_size: Size, size: int | Literal["original"] | None = None) -> Size:
        """The size to work at for a picture of `own_size`: see `translate`. Raises `UsageError`."""
        side = self.working_side(size)
        if self.fixed_size is None:
            return working_size(own_size, side)
        if size is not None and side != min(self.fixed_size):
            height, width = self.fixed_size
            raise UsageError(
                f"size {size!r}: this model is tied to the size it was trained at, {height}x{width} px",
                "Leave the size out: pictures are scaled to it. Only U-GAT-IT's light model takes all sizes.",
            )
        return self.fixed_size

    def draw_styles(self, num_styles: int, seed: int) -> Tensor:
        """`num_styles` style codes from N(0, I), the same for a seed on every device: (num_styles, style_dim)."""
        if self.style_dim is None:
            raise UsageError("this model has one answer a picture: there are no styles to draw", "Leave styles out.")
        check_seed(seed)
        rng = torch.Generator().manual_seed(seed)
        # one code at a time, so that the first ones do not depend on how many are drawn
        codes = [torch.randn(self.style_dim, generator=rng) for _ in range(num_styles)]
        return torch.stack(codes).to(self.device)

    def style_of(self, example: Picture, domain: Domain) -> Tensor:
        """The style code of the picture `example` of `domain`, looked at in training's scale: (1, style_dim)."""
        picture = self.open_picture(example)
        size = limited(working_size((picture.height, picture.width), self.working_side()), self.max_pixels)
        return self.encode_style(to_tensor(resized(picture, size))[None], domain)

    @torch.inference_mode()
    def variants(self, x: Tensor, to: Domain, codes: Tensor | None) -> Iterator[Tensor]:
        """For each style, the pictures `x` (N, 3, H, W) translated: one tensor like `x` at a time.

        `codes` are (styles, style_dim) for all pictures, or (styles, N, style_dim); None for a model without styles.
        """
        check_pictures(x)
        if codes is not None:
            check_has_codes(self.style_dim)
        if codes is None or x.shape[2] * x.shape[3] > self.max_pixels:
            for code in [None] if codes is None else codes:
                yield self.translate_tensor(x, to=to, style=code)
            return
        content = self.encode_content(self._padded(x), other(to))
        with self._computing():
            decode = self.networks.decoder_of(content, to)

        def decoded(code: Tensor) -> Tensor:
            with torch.inference_mode(), self._computing():
                return cropped(decode(code).float(), (x.shape[2], x.shape[3]))

        checked = [check_codes(style, self.style_dim, len(x)).to(self.device) for style in codes]
        yield from in_streams(decoded, checked, len(x) * x.shape[2] * x.shape[3], self.device)

    @torch.inference_mode()
    def translate_tensor(self, x: Tensor, *, to: Domain, style: Codes | None = None, seed: int | None = None) -> Tensor:
        """The pictures `x` translated to domain `to`, of the same shape, whatever their height and width.

        Models with a `fixed_size` take that one alone.
        `style` is a code for each picture or one for all; None draws one for each (from `seed`, or at random).
        """
        check_domain(to)
        check_pictures(x)
        check_fixed_size(x, self.fixed_size)
        codes = self._codes_of_batch(len(x), style, seed)
        wide = self._padded(x)
        if x.shape[2] * x.shape[3] <= self.max_pixels or self.fixed_size is not None:
            with self._computing():
                y = self.networks.translate(wide.to(self.device), to, codes)
            return cropped(y.float(), (x.shape[2], x.shape[3]))
        with self._computing():
            tiled = [
                translate_in_tiles(
                    self.networks,
                    wide[i : i + 1],
                    to,
                    None if codes is None else codes[i : i + 1],
                    max_pixels=self.max_pixels,
                    device=self.device,
                )
                for i in range(len(x))
            ]
        return cropped(torch.cat(tiled), (x.shape[2], x.shape[3])).to(self.device)

    @torch.inference_mode()
    def attention(self, x: Tensor, *, to: Domain) -> Tensor:
        """Where the translation of the pictures `x` to domain `to` looks: (N, 1, H/4, W/4), rounded up, in [0, 1].

        Stretched picture by picture: 0 is the least and 1 the most of each; all 0 where it looks everywhere alike.
        Pictures of more than `max_pixels` pixels are looked at reduced. Raises `UsageError` for models without.
        """
        check_domain(to)
        check_pictures(x)
        check_fixed_size(x, self.fixed_size)
        if not self.has_attention:
            raise UsageError(
                f"this {self.bundle.config.model.name} model has no attention",
                "U-GAT-IT has, when it was trained with model.generator.cam.",
            )
        multiple = self.networks.size_multiple
        map_size = (-(-x.shape[2] // multiple), -(-x.shape[3] // multiple))
        if self.fixed_size is None and x.shape[2] * x.shape[3] > self.max_pixels:
            seen = limited((x.shape[2], x.shape[3]), self.max_pixels)
            x = interpolate(x, size=seen, mode="bilinear", antialias=True, align_corners=False)
        with self._computing():
            heat = self.networks.attention(self._padded(x).to(self.device), to)
        heat = cropped(heat.float(), (-(-x.shape[2] // multiple), -(-x.shape[3] // multiple)))
        if heat.shape[2:] != map_size:
            heat = interpolate(heat, size=map_size, mode="bilinear", align_corners=False)
        return stretched(heat)

    @torch.inference_mode()
    def encode_content(self, x: Tensor, domain: Domain) -> Tensor:
        """The content codes of the pictures `x` of `domain`. Their sides have to be multiples of the networks'."""
        check_has_codes(self.style_dim)
        check_domain(domain)
        check_pictures(x)
        check_sides(x, self.networks.size_multiple)
        with self._computing():
            return self.networks.encode_content(x.to(self.device), domain).float()

    @torch.inference_mode()
    def encode_style(self, x: Tensor, domain: Domain) -> Tensor:
        """The style codes of the pictures `x` of `domain`, of any size: (N, style_dim)."""
        check_has_codes(self.style_dim)
        check_domain(domain)
        check_pictures(x)
        wide = padded(x, self.networks.size_multiple, _SMALLEST_FOR_STYLE)
        return self.networks.encode_style(wide.to(self.device), domain)

    @torch.inference_mode()
    def decode(self, content: Tensor, style: Codes, domain: Domain) -> Tensor:
        """Pictures of `domain` from `content` and a style code for each or one for all: (N, 3, H, W) in [-1, 1]."""
        check_has_codes(self.style_dim)
        check_domain(domain)
        codes = check_codes(codes_from(style), self.style_dim, len(content))
        with self._computing():
            return self.networks.decode(content.to(self.device), codes.to(self.device), domain).float()

    def _computing(self) -> AbstractContextManager[None]:
        return computing_in(self.precision, self.device)

    def _padded(self, x: Tensor) -> Tensor:
        multiple = self.networks.size_multiple
        return padded(x, multiple, 2 * multiple)  # below that, norms and reflection see a single pixel

    def _codes_of_batch(self, num_pictures: int, style: Codes | None, seed: int | None) -> Tensor | None:
        if style is not None:
            return check_codes(codes_from(style), self.style_dim, num_pictures).to(self.device)
        if self.style_dim is None:
            return None
        return self.draw_styles(num_pictures, int(torch.randint(2**62, ())) if seed is None else seed)

    def _codes(
        self, to: Domain, num_styles: int | None, style: Picture | Sequence[Picture] | Codes | None, seed: int
    ) -> Tensor | None:
        """The codes that `translate` is asked for: (styles, style_dim), None for a model without styles."""
        if style is None:
            if num_styles is not None and num_styles < 1:
                raise UsageError(f"num_styles={num_styles}: is not allowed", "It takes a whole number, 1 or more.")
            one_answer = self.style_dim is None and num_styles in (None, 1)
            return None if one_answer else self.draw_styles(num_styles or 1, seed)
        if num_styles is not None:
            raise UsageError("num_styles and style are both given", "A style gives one picture: leave num_styles out.")
        examples = _examples(style)
        if examples is not None:
            return torch.cat([self.style_of(example, to) for example in examples])
        codes = codes_from(cast(Codes, style))
        return check_codes(codes, self.style_dim, None).to(self.device)


def _examples(style: Any) -> Sequence[Picture] | None:
    """The example pictures in `style`; None when it holds codes."""
    if isinstance(style, (Image.Image, Path, str)) or (isinstance(style, np.ndarray) and style.dtype == np.uint8):
        return [style]
    if isinstance(style, (list, tuple)) and style and all(_examples(item) is not None for item in style):
        return style
    return None


def _image_of_array(array: np.ndarray[Any, Any]) -> Image.Image:
    grey_or_colour = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not grey_or_colour or 0 in array.shape:
        raise UsageError(
            f"an array of shape {array.shape} and type {array.dtype} is not a picture",
            "Give (H, W, 3), (H, W, 4) or (H, W) of type uint8, from 0 to 255.",
        )
    return Image.fromarray(array)
