"""convgrad beside the oneDNN that build_tools/bench has installed."""

import os

from run_bench import run


def test_every_choice_of_layouts_agrees(tmp_path):
    opencl = os.path.join(os.environ["CONVGRAD_BENCH_ONEDNN"], "lib", "libintelocl.so")
    done, document = run(tmp_path, "--peers", "onednn", "--threads", "1", "--nchw", "--opencl", opencl)
    assert done.returncode == 0, done.stdout + done.stderr
    assert document["missing"] == {}
    assert document["libraries"]["onednn"]["version"].startswith("3.")
    for row in document["results"]:
        for key in ("onednn_same", "onednn_convert", "onednn_best", "onednn_same_nchw", "onednn_convert_nchw"):
            side = row["sides"][key]
            assert side["verdict"] == "ok", (row["layer"], row["op"], key, side)
            assert side["median_ms"] > 0 and side["kernel"] and side["workspace_bytes"] >= 0
