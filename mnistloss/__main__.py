"""Where the program starts: `mnistloss` and `python -m mnistloss`."""


def run() -> None:
    """Run the command line; interrupted while it is imported, it ends as quietly as later."""
    try:
        from mnistloss.cli import run
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    run()


if __name__ == "__main__":
    run()
