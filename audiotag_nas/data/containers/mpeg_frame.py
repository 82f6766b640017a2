"""Parses the header and the information of one frame of MPEG audio.

ISO 11172-3 and 13818-3 define the header. Information frames (Xing, Info, VBRI)
are not in these standards; encoders store the length in them, and no sound.
"""

import dataclasses

_RATES_HZ: dict[int, tuple[int, ...]] = {3: (44_100, 48_000, 32_000)}
_RATES_HZ[2] = tuple(rate // 2 for rate in _RATES_HZ[3])
_RATES_HZ[0] = tuple(rate // 4 for rate in _RATES_HZ[3])
# For each (is MPEG-1, layer), the bit rates of indices 1 to 14, in kbit/s.
_KBITS: dict[tuple[bool, int], tuple[int, ...]] = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (
        *(32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    ),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBITS[False, 3] = _KBITS[False, 2]


@dataclasses.dataclass(frozen=True)
class Frame:
    """The content of a frame header. `kind` is the same in a whole stream."""

    num_bytes: int
    kind: tuple[int, int, int, bool]  # version bits, layer, rate in Hz, is mono
    num_samples: int


@dataclasses.dataclass(frozen=True)
class Information:
    """The content of an information frame.

    Attributes:
        num_frames: the announced number of frames; None if unknown.
        fields_at: the offset, within this frame, of the field with the number
            of frames; None if there is no such field.
        has_bytes: True if the next field holds the number of bytes.
    """

    num_frames: int | None
    fields_at: int | None
    has_bytes: bool


def has_sync_word(head: bytes) -> bool:
    """Returns True if `head` starts with the 11 one bits of a frame header."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0


def parse_header(header: bytes) -> Frame | None:
    """Parses a frame header of four bytes; returns None for other bytes."""
    if len(header) < 4 or not has_sync_word(header):
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    if header[3] & 3 == 2:  # a reserved value of the emphasis field
        return None
    is_mpeg1 = version == 3
    rate_hz = _RATES_HZ[version][rate]
    bits = _KBITS[is_mpeg1, layer][bit_rate - 1] * 1000
    padding = header[2] >> 1 & 1
    if layer == 1:
        num_samples, num_bytes = 384, (12 * bits // rate_hz + padding) * 4
    else:
        num_samples = 1152 if layer == 2 or is_mpeg1 else 576
        num_bytes = num_samples // 8 * bits // rate_hz + padding
    return Frame(
        num_bytes, (version, layer, rate_hz, header[3] >> 6 == 3), num_samples
    )


def parse_information(content: bytes, frame: Frame) -> Information | None:
    """Returns the content of an information frame; None for other frames."""
    version, layer, _, is_mono = frame.kind
    if layer != 3:
        return None
    if content[36:40] == b"VBRI":
        return Information(
            int.from_bytes(content[50:54], "big") or None, None, False
        )
    side_bytes = (
        (17 if is_mono else 32) if version == 3 else 9 + 8 * (not is_mono)
    )
    at = 4 + side_bytes
    if content[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(content[at + 4 : at + 8], "big")
    if not flags & 1 or len(content) < at + 16:
        return Information(None, None, False)
    num_frames = int.from_bytes(content[at + 8 : at + 12], "big")
    return Information(num_frames or None, at + 8, bool(flags & 2))
