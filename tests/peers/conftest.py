import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))  # convgrad_ctypes

# TensorFlow's own CPU kernels: the oneDNN ones that replace them on some machines refuse other problems, and some of
# their refusals abort the process.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def pytest_terminal_summary(terminalreporter):
    import collections

    import tensorflow_ops

    count = tensorflow_ops.compared
    for peer, problems in sorted(collections.Counter(dict(count)).items()):
        terminalreporter.write_line(f"{problems:4d} problems compared with {peer}")
    terminalreporter.write_line(f"{sum(count.values()):4d} problems in all")
    if "CONVGRAD_TALLY_FILE" in os.environ:
        peers = ", ".join(f"{problems} by {peer}" for peer, problems in sorted(count.items()))
        with open(os.environ["CONVGRAD_TALLY_FILE"], "a") as tally:
            tally.write(f"{'peers_tensorflow':27} problems tried: {sum(count.values())} ({peers})\n")
