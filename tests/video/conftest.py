"""Small videos and images, made when they are needed."""

from fractions import Fraction

import av
import numpy as np
import pytest


@pytest.fixture
def colour_of():
    """Frame `index` (from 1) of a made video is of this one colour, far from its neighbours'."""

    def colour(index):
        return np.array(
            [(index * 37) % 200 + 30, (index * 71) % 200 + 30, (index * 113) % 200 + 30]
        )

    return colour


@pytest.fixture
def make_video(tmp_path, colour_of):
    """Write a video of plain colours with PyAV alone; `ticks` are times in 1/1000 s."""

    def make(
        name="clip.mp4", count=20, size=(96, 64), rate=25, codec="libx264", ticks=None, **options
    ):
        path = tmp_path / name
        width, height = size
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=Fraction(rate))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if ticks is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            for index in range(1, count + 1):
                image = np.empty((height, width, 3), np.uint8)
                image[:] = colour_of(index)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                if ticks is not None:
                    picture.pts, picture.time_base = ticks[index - 1], Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def cut():
    """Keep only the first part of a file."""

    def keep(path, share):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return keep
