"""Synthetic domestic recordings in the CHiME-Home layout.

They replace the real recordings, which can't be shipped, in demos and tests.
`dataset` writes the files. `plan` draws each chunk's tags (`tag_sets`) and
`votes`; `scenes` mixes its sound from the sources (`voices`, `television`,
`percussive`, `broadband`, `named_sounds`) in a room (`rooms`). See
docs/reference/synthesizer.md.
"""

from audiotag_nas.data.synthesis.dataset import write_dataset

__all__ = ["write_dataset"]
