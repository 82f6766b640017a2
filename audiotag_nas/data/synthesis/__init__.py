"""Made-up domestic recordings in the CHiME-Home layout.

The real data can't be shipped; these stand in for it wherever a whole
experiment must run. `dataset` writes the tree; `plan` and `annotation` decide
who says what of which chunk, `scenes` makes the sound of one from `voices`,
`programmes`, `objects` and `rooms`. See docs/reference/synthesizer.md.
"""

from audiotag_nas.data.synthesis.dataset import write_dataset

__all__ = ["write_dataset"]
