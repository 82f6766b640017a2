"""Linear algebra on one thread.

The last bits of a matrix product depend on the number of threads, but the
result of a search must not. (They also depend on the processor; the variable
OPENBLAS_CORETYPE can fix that.) For matrices of a few hundred rows, several
threads are no faster, and on a busy machine they mostly wait for each other.
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
