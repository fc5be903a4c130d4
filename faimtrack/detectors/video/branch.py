"""The video object branch: a YOLOX's third, of which proposals of many frames are compared."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from faimtrack.detectors.yolox.blocks import conv_block


class VideoObjectBranch(nn.Module):
    """Two 3 by 3 convolutions a level, fed by the same stems as the other branches (paper, 3.2).

    Attributes:
        levels: A sequence of two blocks a level.
    """

    def __init__(self, channels: int, level_count: int, *, depthwise: bool) -> None:
        """Make the branch with random weights.

        Args:
            channels: Of the stems, and of the video object features.
            level_count: Levels of the pyramid.
            depthwise: As the YOLOX's own convolutions are.
        """
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                *(conv_block(channels, channels, 3, depthwise=depthwise) for _ in range(2))
            )
            for _ in range(level_count)
        )

    def forward(self, stems: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Stems `(N, C, h, w)` a level to video object features of the same shapes."""
        return tuple(level(stem) for level, stem in zip(self.levels, stems, strict=True))
