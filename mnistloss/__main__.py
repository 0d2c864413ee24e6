"""The entry point of `mnistloss` and `python -m mnistloss`."""

import signal


def run() -> None:
    """Run the command line; Ctrl-C while it is being imported ends the process at once, without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mnistloss.cli import run

    run()


if __name__ == "__main__":
    run()
