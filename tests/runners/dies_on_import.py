"""A module whose import kills a worker before the worker is ready."""

import os
import signal

os.write(2, b"no luck\n")
os.kill(os.getpid(), signal.SIGBUS)
