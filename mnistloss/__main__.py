"""Where the program starts: `mnistloss` and `python -m mnistloss`."""

import signal


def run() -> None:
    """Run the command line; interrupted while that is imported, the process ends at once and in silence."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mnistloss.cli import run

    run()


if __name__ == "__main__":
    run()
