import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))  # convgrad_ctypes, tally

# TensorFlow's own CPU kernels: the oneDNN ones that replace them on some machines refuse other problems, and some of
# their refusals abort the process.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def pytest_terminal_summary(terminalreporter):
    import collections

    import tally
    import tensorflow_ops

    count = tensorflow_ops.compared
    for peer, problems in sorted(collections.Counter(dict(count)).items()):
        terminalreporter.write_line(f"{problems:4d} problems compared with {peer}")
    terminalreporter.write_line(f"{sum(count.values()):4d} problems in all")
    peers = ", ".join(f"{problems} by {peer}" for peer, problems in sorted(count.items()))
    tally.add("peers_tensorflow", f"problems tried: {sum(count.values())} ({peers})")
