"""Matches names of sound files with or without their endings."""

import os
from collections.abc import Sequence

from audiotag_nas.errors import DataError

SOUND_ENDINGS = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"),
    *(".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".m4a", ".aac", ".wma"),
    *(".mp1", ".mp2", ".nist", ".sph", ".sf", ".voc"),
)
"""Known endings, in lower case. Other text after a dot is part of the name."""


def without_ending(name: str) -> str:
    """Removes the ending of a sound file, if present, from the name."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in SOUND_ENDINGS else name


class FileNameIndex:
    """Finds which labeled file a given name stands for.

    If either the given name or the labels' name has no sound-file ending, the
    other's ending is ignored. In all other cases, both names must be equal.
    """

    def __init__(self, filenames: Sequence[str]) -> None:
        self._names = set(filenames)
        self._by_stem: dict[str, list[str]] = {}
        for name in filenames:
            self._by_stem.setdefault(without_ending(name), []).append(name)

    def find(self, name: str, where: str) -> str | None:
        """Returns the name in the labels that matches `name`, or None.

        Raises:
            DataError: several files match. The message begins with `where`.
        """
        if name in self._names:
            return name
        stem = without_ending(name)
        if stem != name:
            # Names with different endings belong to different files.
            return stem if stem in self._names else None
        found = self._by_stem.get(stem, [])
        if len(found) > 1:
            raise DataError(
                f"{where}: must have an ending, because the labels have "
                f"{' and '.join(map(repr, found))}."
            )
        return found[0] if found else None
