"""Times each of a GPU target's kernels on the layers that it accepts, beside the one that the rows choose.

What rows of schedules/<target> are made from: build a library with candidates as rows, run this on the device, and keep
those that lose least. On a machine with a CUDA device and PyTorch; CONVGRAD_SHARED_LIBRARY names the library. Every result
is checked before it is timed. Writes JSON, and prints the best of each layer.
"""

import json
import re
import sys

import summary
from layers import OPS
from measure import layer_arguments, layers_of
from ours import convgrad


def arguments():
    parser = layer_arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kernel (3)")
    parser.add_argument("--target", default="cuda_sm80", help="whose kernels (cuda_sm80)")
    parser.add_argument("--kernels", default="", metavar="REGEX", help="only those in whose names it is found")
    parser.add_argument("--best", type=int, default=5, help="how many to print of each layer (5)")
    parser.set_defaults(dry_run=False)
    return parser.parse_args()


def names_of(op, target, layer, pattern):
    """The kernels for any filter, and for this one with this stride."""
    fixed = "x".join(map(str, layer.filter[:2])) + f"s{layer.strides[0]}_"
    return [name for name, kernel in ((info.name.decode(), info) for info in convgrad.kernels())
            if name.startswith(op + "_f32_") and kernel.target.decode() == target and re.search(pattern, name)
            and (kernel.algorithm.decode() == "generic" or fixed in name)]


def ranking(result, best):
    """Lines: the choice, then the best kernels, with how fast they are beside it; those that failed."""
    choice, *kernels = result["sides"]
    right = sorted((side for side in kernels if side["verdict"] == "ok"), key=lambda side: side["ms"])
    lines = [f"{result['network']} {result['layer']} {result['op']}: "
             + (f"{choice['choice']} {choice['ms']:.3f} ms, {summary.percent_of_peak(result, choice):.0f}% of the peak"
                if choice["verdict"] == "ok" else f"{choice['verdict']}: {choice['reason']}")]
    for side in right[:best]:
        beside = f" {choice['ms'] / side['ms']:.2f}x" if choice["verdict"] == "ok" else ""
        lines.append(f"  {side['ms']:.3f} ms{beside} {side['choice']}")
    lines += [f"  {side['verdict'].upper()} {side['choice']}: {side['reason']}" for side in kernels
              if side["verdict"] != "ok"]
    return lines


def main():
    options = arguments()
    try:
        from cuda import Cuda  # not for --help
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}: this needs a Python with PyTorch and NumPy, for example build/gpu_torch_env's, which "
                         "build_tools/bench_gpu makes") from None
    machine = Cuda(options.target, options.rounds)
    document = {"convgrad": convgrad.version(), "target": options.target, "batch": options.batch,
                "rounds": options.rounds, **machine.description(), "results": []}
    wrong = False
    for layer in layers_of(options):
        for op in options.op or OPS:
            names = names_of(op, options.target, layer, options.kernels)
            peak, sides = machine.measure_kernels(layer, op, names)
            result = {"network": layer.network, "layer": layer.name, "op": op, "gflop": layer.flops() * 1e-9,
                      "peak_gflops": peak, "sides": sides}
            document["results"].append(result)
            print("\n".join(ranking(result, options.best)), flush=True)
            options.json.write_text(json.dumps(document, indent=1) + "\n")
            wrong = wrong or any(side["verdict"] != "ok" for side in sides)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
