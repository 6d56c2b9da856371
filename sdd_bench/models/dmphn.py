"""DMPHN-1-2-4-8 (Zhang et al., CVPR 2019): from eight patches to the whole picture, each level correcting the next.

Layers are named as in ``models.py`` of the release, whose checkpoint has a file for each encoder and decoder.
"""

from __future__ import annotations

from torch import Tensor, nn

from sdd_bench.models.inputs import require_picture
from sdd_bench.models.patches import COLUMNS, ROWS, halve, rejoin

# Along which dimension the patches of a level, from the second on, are halves of those of the level before.
CUTS = (ROWS, COLUMNS, ROWS)
LEVELS = len(CUTS) + 1
WIDTHS = (32, 64, 128)


class DMPHN(nn.Module):
    """Four levels of an encoder and a decoder each; trained for motion blur (GoPro), compared on defocus by others."""

    stride = 16  # of a quarter of the height, the coarsest features are a quarter

    def __init__(self) -> None:
        super().__init__()
        for level in range(1, LEVELS + 1):
            self.add_module(f"encoder_lv{level}", Encoder())
            self.add_module(f"decoder_lv{level}", Decoder())

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 16.

        Returns:
            N x 3 x H x W.
        """
        require_picture(picture, 3, self.stride)
        patches = [picture - 0.5]
        for dimension in CUTS:
            patches.append(halve(patches[-1], dimension))
        # The decoder of a level works on the patches of the next one, joined; its picture is added to what they see.
        features = self.get_submodule(f"encoder_lv{LEVELS}")(patches[-1])
        for level in range(LEVELS, 1, -1):
            features = rejoin(features, CUTS[level - 2])
            correction = self.get_submodule(f"decoder_lv{level}")(features)
            features = features + self.get_submodule(f"encoder_lv{level - 1}")(patches[level - 2] + correction)
        sharp: Tensor = self.get_submodule("decoder_lv1")(features) + 0.5
        return sharp


class Encoder(nn.Module):
    """N x 3 x H x W to N x 128 x H/4 x W/4."""

    def __init__(self) -> None:
        super().__init__()
        number, given = 1, 3
        for width in WIDTHS:
            self.add_module(f"layer{number}", nn.Conv2d(given, width, 3, stride=1 if number == 1 else 2, padding=1))
            self.add_module(f"layer{number + 1}", Residual(width))
            self.add_module(f"layer{number + 2}", Residual(width))
            number, given = number + 4, width

    def forward(self, picture: Tensor) -> Tensor:
        """Apply the layers in turn."""
        for layer in self.children():
            picture = layer(picture)
        return picture


class Decoder(nn.Module):
    """N x 128 x H x W to N x 3 x 4H x 4W."""

    def __init__(self) -> None:
        super().__init__()
        number = 13
        for width in reversed(WIDTHS):
            self.add_module(f"layer{number}", Residual(width))
            self.add_module(f"layer{number + 1}", Residual(width))
            finest = width == WIDTHS[0]
            up = nn.Conv2d(width, 3, 3, padding=1) if finest else nn.ConvTranspose2d(width, width // 2, 4, 2, padding=1)
            self.add_module(f"layer{number + 3}", up)
            number += 4

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layers in turn."""
        for layer in self.children():
            features = layer(features)
        return features


class Residual(nn.Sequential):
    """Two convolutions, added to what came in."""

    def __init__(self, width: int) -> None:
        layers = (nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        super().__init__(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        first, active, second = self
        changed: Tensor = second(active(first(features))) + features
        return changed
