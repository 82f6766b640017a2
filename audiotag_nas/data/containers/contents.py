"""Finds the streams of a sound file of any format."""

from typing import BinaryIO

from audiotag_nas.data.containers import flac, ogg
from audiotag_nas.data.containers.chunks import chunk_contents
from audiotag_nas.data.containers.mpeg import id3_bytes, mpeg_contents
from audiotag_nas.data.containers.mpeg_frame import has_sync_word
from audiotag_nas.data.containers.stream import (
    Contents,
    Stream,
    file_size,
    read_at,
)
from audiotag_nas.data.containers.unsupported import unsupported_format

_OTHER_MARKS = (
    *(b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff"),
    *(b"Creative Voice File", b"NIST_1A", b" paf", b"PVF1"),
)


def read_contents(file: BinaryIO) -> Contents:
    """Returns the streams of the file. Unknown formats count as one stream."""
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
    if contents is None and has_sync_word(head):
        # The file looks like MPEG audio without a frame. An empty stream hides
        # the bytes from the decoder, which would print messages about them.
        return Contents((Stream(()),))
    if contents is None or not contents.streams:
        return Contents((Stream((range(start, end),)),))
    return contents


def sound_start(file: BinaryIO) -> int:
    """Returns the offset after the ID3 tags at the start of the file."""
    start, end = 0, file_size(file)
    while size := id3_bytes(read_at(file, start, 10)):
        if start + size >= end:
            break
        start += size
    return start


def _has_other_mark(head: bytes) -> bool:
    """Returns True if `head` has the mark of a format other than MPEG."""
    return unsupported_format(head) is not None or head.startswith(_OTHER_MARKS)
