"""Matches names of sound files that are written with or without ending."""

import os
from collections.abc import Sequence

from audiotag_nas.errors import DataError

SOUND_ENDINGS = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"),
    *(".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".m4a", ".aac", ".wma"),
    *(".mp1", ".mp2", ".nist", ".sph", ".sf", ".voc"),
)
"""In lower case. Any other text after a dot belongs to the name."""


def without_ending(name: str) -> str:
    """Returns the name without the ending of a sound file, if it has one."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in SOUND_ENDINGS else name


class FileNameIndex:
    """Finds file names of the labels.

    A name without the ending of a sound file also stands for the name with
    it, and vice versa, if only one file matches. Otherwise names must be
    equal.
    """

    def __init__(self, filenames: Sequence[str]) -> None:
        self._names = set(filenames)
        self._by_stem: dict[str, list[str]] = {}
        for name in filenames:
            self._by_stem.setdefault(without_ending(name), []).append(name)

    def find(self, name: str, where: str) -> str | None:
        """Returns the name of the file in the labels, or None.

        Raises:
            DataError: several files match; the message begins with `where`.
        """
        if name in self._names:
            return name
        stem = without_ending(name)
        if stem != name:
            # Two different endings are different files.
            return stem if stem in self._names else None
        found = self._by_stem.get(stem, [])
        if len(found) > 1:
            raise DataError(
                f"{where}: must have an ending, because the labels have "
                f"{' and '.join(map(repr, found))}."
            )
        return found[0] if found else None
