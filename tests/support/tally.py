"""The file in which build_tools/test gathers what the groups of tests tried."""

import os


def add(name, text):
    """A group's line, if somebody gathers them."""
    if "CONVGRAD_TALLY_FILE" in os.environ:
        with open(os.environ["CONVGRAD_TALLY_FILE"], "a") as file:
            file.write(f"{name:27} {text}\n")
