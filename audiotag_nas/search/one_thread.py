"""Linear algebra on one thread.

The last bits of a product depend on the number of threads, and a search must
not. (They also depend on the BLAS kernels of the processor, which
OPENBLAS_CORETYPE sets.) For matrices of a few hundred rows more threads are no
faster, and on a busy machine they mostly wait for each other.
"""

import contextlib
import functools
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds.
    return ThreadpoolController()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limits NumPy and SciPy to one thread."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
