"""What streams a sound file holds, whatever its format."""

from typing import BinaryIO

from audiotag_nas.data.containers import flac, ogg
from audiotag_nas.data.containers.chunks import chunk_contents
from audiotag_nas.data.containers.mpeg import (
    id3_bytes,
    is_mpeg_sync,
    mpeg_contents,
)
from audiotag_nas.data.containers.stream import (
    Contents,
    Stream,
    file_size,
    read_at,
)
from audiotag_nas.data.containers.unsupported import unsupported_format


def read_contents(file: BinaryIO) -> Contents:
    """Finds the streams; a file of no format known here is one stream."""
    start, end = sound_start(file), file_size(file)
    head = read_at(file, start, 64)
    contents = None
    if head.startswith(flac.MARK):
        contents = flac.flac_contents(file, start, end)
    elif head.startswith(ogg.MARK):
        contents = ogg.ogg_contents(file, start, end)
    else:
        contents = chunk_contents(file, start, end)
    if contents is None and not _has_other_mark(head):
        contents = mpeg_contents(file, start, end)
    if contents is None and is_mpeg_sync(head):
        # libsndfile would take it for MPEG audio, and mpg123 write to the
        # standard error what it finds instead.
        return Contents((Stream(()),))
    if contents is None or not contents.streams:
        return Contents((Stream((range(start, end),)),))
    return contents


def sound_start(file: BinaryIO) -> int:
    """Where the ID3 tags end that the file may begin with."""
    start, end = 0, file_size(file)
    while size := id3_bytes(read_at(file, start, 10)):
        if start + size >= end:
            break
        start += size
    return start


def _has_other_mark(head: bytes) -> bool:
    """Whether the file begins like another format than MPEG audio."""
    if unsupported_format(head) is not None:
        return True
    return head[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff") or (
        head.startswith((b"Creative Voice File", b"NIST_1A", b" paf", b"PVF1"))
    )
