"""Simulates a full disk for a process without privileges."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def room_for(num_bytes: int) -> Iterator[None]:
    """Limits file sizes to `num_bytes`; writes fail with EFBIG, not ENOSPC."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
