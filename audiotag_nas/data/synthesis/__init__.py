"""Synthesizes domestic recordings in the CHiME-Home layout.

Demos and tests use them, because the real recordings can't be shipped.
`dataset` writes the files. `plan` draws tags (with `tag_sets`) and votes (with
`votes`) for each chunk (clip). `scenes` mixes the sounds of the sources
(`voices`, `television`, `percussive`, `broadband`, `named_sounds`) and places
them in a room (`rooms`). See docs/reference/synthesizer.md.
"""

from audiotag_nas.data.synthesis.dataset import write_dataset

__all__ = ["write_dataset"]
