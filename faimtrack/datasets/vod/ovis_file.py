"""What a file of annotations in YouTube-VIS's JSON lists: its videos and categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faimtrack.datasets.vod.image_folders import confined
from faimtrack.datasets.vod.json_files import list_of, read_tree, record_of, whole_of
from faimtrack.errors import shown


@dataclass(frozen=True)
class OvisVideo:
    """A video as the file lists it.

    Attributes:
        number: The file's own.
        name: The folder of its images.
        height, width: In pixels.
        file_names: Of its frames, without the folder, in order.
    """

    number: int
    name: str
    height: int
    width: int
    file_names: tuple[str, ...]


@dataclass(frozen=True)
class OvisFile:
    """What a file of annotations lists.

    Attributes:
        path: The file.
        categories: Names by number, in the order of the numbers.
        videos: By number.
        tree: Everything, for the annotations.
    """

    path: Path
    categories: dict[int, str]
    videos: dict[int, OvisVideo]
    tree: Mapping[str, Any]


def read_ovis_file(path: Path) -> OvisFile:
    """Read what a file lists; its annotations are not looked at.

    Raises:
        ValueError: A record is wrong.
        OSError: It cannot be read.
    """
    tree = read_tree(path)
    categories: dict[int, str] = {}
    for place, entry in enumerate(list_of(str(path), tree, "categories"), 1):
        where = f"{path}, category {place}"
        record = record_of(where, entry)
        name, number = record.get("name"), whole_of(where, record, "id")
        if not isinstance(name, str) or name in categories.values() or number in categories:
            raise ValueError(f"{where}: expected a name and an id of its own, got {name!r}")
        categories[number] = name
    videos: dict[int, OvisVideo] = {}
    names: set[str] = set()
    for place, entry in enumerate(list_of(str(path), tree, "videos"), 1):
        where = f"{path}, video {place}"
        video = _video(where, record_of(where, entry))
        if video.number in videos or video.name in names:
            raise ValueError(f"{where}: expected an id and a folder of its own, got {video.name}")
        videos[video.number] = video
        names.add(video.name)
    if not categories or not videos:
        what = "videos" if categories else "categories"
        raise ValueError(f"{path}: expected {what}, got none")
    return OvisFile(path, dict(sorted(categories.items())), videos, tree)


def _video(where: str, record: Mapping[str, Any]) -> OvisVideo:
    names = [confined(where, name) for name in list_of(where, record, "file_names")]
    folders = {name.parent.as_posix() for name in names}
    if len(folders) != 1 or "." in folders:
        raise ValueError(
            f"{where}: expected file_names in one folder, got {shown(sorted(folders))}"
        )
    plain = tuple(name.name for name in names)
    if len(set(plain)) < len(plain):
        twin = next(name for place, name in enumerate(plain) if name in plain[:place])
        raise ValueError(f"{where}: expected each frame once, got {twin} again")
    return OvisVideo(
        number=whole_of(where, record, "id"),
        name=folders.pop(),
        height=whole_of(where, record, "height", 1),
        width=whole_of(where, record, "width", 1),
        file_names=plain,
    )
