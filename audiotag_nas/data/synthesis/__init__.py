"""Synthesizes domestic recordings in the CHiME-Home layout.

Demos and tests use them instead of the real recordings, which can't be shipped.
`dataset` writes the files. `plan` draws the tags (`tag_sets`) and the `votes`
of each chunk (clip). `scenes` mixes the sound of a chunk from the sources
(`voices`, `television`, `percussive`, `broadband`, `named_sounds`) in a room
(`rooms`). docs/reference/synthesizer.md describes the method.
"""

from audiotag_nas.data.synthesis.dataset import write_dataset

__all__ = ["write_dataset"]
