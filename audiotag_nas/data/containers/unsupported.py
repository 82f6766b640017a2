"""Recognizes sound formats that libsndfile can't read."""

_AT_START = (
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media Audio (WMA)"),
    (b"#!AMR", "AMR"),
    (b"\x0b\x77", "Dolby Digital (AC-3)"),
    (b"\x77\x0b", "Dolby Digital (AC-3)"),
    (b"\x7f\xfe\x80\x01", "DTS"),
    (b"ADIF", "AAC"),
    (b"MAC ", "Monkey's Audio (APE)"),
    (b"wvpk", "WavPack"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"TTA1", "True Audio (TTA)"),
    (b"tBaK", "TAK"),
    (b".RMF", "RealMedia"),
    (b".ra\xfd", "RealAudio"),
    (b"FLV\x01", "Flash video (FLV)"),
    (b"DSD ", "DSD (DSF)"),
    (b"FRM8", "DSD (DSDIFF)"),
)
_BRANDS = (
    (b"M4A", "MPEG-4 audio (M4A, AAC or ALAC)"),
    (b"3g", "3GPP (AMR or AAC)"),
    (b"qt", "QuickTime (MOV)"),
)
_IN_OGG = (
    (b"Speex   ", "Speex (Ogg)"),
    (b"\x80theora", "Ogg video"),
    (b"\x7fFLAC", "FLAC in Ogg of this kind"),
)


def unsupported_format(head: bytes) -> str | None:
    """Returns the name of an unsupported format; None for any other format.

    Args:
        head: at least the first 64 bytes after the file's ID3 tags.
    """
    for mark, name in _AT_START:
        if head.startswith(mark):
            return name
    if head[4:8] == b"ftyp":
        for brand, name in _BRANDS:
            if head[8:12].startswith(brand):
                return name
        return "MPEG-4 (MP4, AAC)"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM" if b"webm" in head[:64] else "Matroska (MKA, MKV)"
    if head.startswith(b"OggS"):
        for mark, name in _IN_OGG:
            if mark in head[:64]:
                return name
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI video"
    # An ADTS header starts with 12 bits that are 1, and its layer is 0.
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xF6 == 0xF0:
        return "AAC (ADTS)"
    return None
