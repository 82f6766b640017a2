"""Linear algebra on one thread.

The last bits of a matrix product depend on the number of threads, but the
result of a search must not depend on this number. (The last bits also depend on
the processor, unless the environment variable OPENBLAS_CORETYPE is set.) For
matrices of a few hundred rows, several threads are no faster than one.
"""

import contextlib
import functools
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    # Cached, because finding the libraries takes milliseconds.
    return ThreadpoolController()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limits NumPy and SciPy to one thread within the block."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
