"""The entry point of `mnistloss` and `python -m mnistloss`."""

import gc
import os
import signal


def run() -> None:
    """Run the command line; Ctrl-C while it is being imported ends the process at once, without a traceback.

    NumPy is imported with one thread for matrix products, unless the user chose a number: no command gains by more,
    and each costs time at the start. Garbage collection starts late: imports make many objects but no cycles, and to
    search these takes a tenth of the time of the start.
    """
    gc.set_threshold(100_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mnistloss.cli import run

    run()


if __name__ == "__main__":
    run()
