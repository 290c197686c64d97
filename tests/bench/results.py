"""Results that no machine has measured."""


def row(layer="a", op="backprop_input", threads=1, **changes):
    """flops: 1e9, so that 10 ms are 100 GFLOP/s; the peak is 200."""
    made = {
        "network": "net",
        "batch": 4,
        "layer": layer,
        "count": 1,
        "depthwise": False,
        "op": op,
        "threads": threads,
        "input": [4, 8, 8, 64],
        "filter": [3, 3, 64, 64],
        "output": [4, 8, 8, 64],
        "strides": [1, 1],
        "dilations": [1, 1],
        "pads": [1, 1, 1, 1],
        "flops": 1e9,
        "tensor_bytes": 1000,
        "peaks": [190.0, 200.0, 210.0],
        "sides": {},
    }
    return {**made, **changes}


def side(ms, **facts):
    return {"verdict": "ok", "problem": "", "median_ms": ms, "best_ms": ms / 2, "runs": 3, **facts}


def ours(ms, **facts):
    return side(
        ms,
        **{
            "kernel": "conv2d_backprop_input_f32_x86_64_avx2_direct_3x3s1_h1w6c16",
            "target": "x86_64_avx2",
            "algorithm": "direct",
            "workspace_bytes": 500,
            "first_ms": 2 * ms,
            "tasks_of_64": 7,
            "error": 1e-7,
            "bits": "same",
            **facts,
        },
    )


def document(rows):
    sides = {
        "convgrad": ("convgrad", "convgrad"),
        "convgrad_strict": ("convgrad strict", "convgrad"),
        "onednn_same": ("oneDNN, same layouts", "onednn"),
        "onednn_best": ("oneDNN, its best layouts", "onednn"),
        "torch": ("PyTorch", "torch"),
    }
    return {
        "machine": {
            "cpu": "a CPU",
            "cores": 2,
            "os": "an OS",
            "compiler": "a compiler",
            "date": "2026-11-23T00:00:00",
            "load_before": 0.0,
        },
        "options": {"target": ""},
        "bandwidth": {"1": 10.0},
        "missing": {"tensorflow": "no wheel for this Python"},
        "libraries": {"convgrad": {"name": "convgrad", "version": "1", "libraries": {"libconvgrad.a": 2000000}}},
        "sides": {key: {"label": label, "owner": owner, "format": "NHWC"} for key, (label, owner) in sides.items()},
        "results": rows,
    }
