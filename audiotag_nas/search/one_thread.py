"""Linear algebra on one thread, whatever the machine has.

For matrices of a few hundred rows several threads gain nothing; on a busy
machine they wait for one another many times as long as they work. And the
last bits of a product depend on the number of threads, while a search is to
be the same whatever the number. (They depend on the processor's kernels too:
OPENBLAS_CORETYPE sets those.)
"""

import contextlib
import functools
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds, so it is done once.
    return ThreadpoolController()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it NumPy and SciPy compute on one thread."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
