"""Measures convgrad beside cuDNN on the distinct layers of networks, and writes JSON for report.py.

Run by build_tools/bench_gpu; alone it needs CONVGRAD_SHARED_LIBRARY, NumPy and, but for a dry run, PyTorch.
Exit status 0 only if all of convgrad's results agree with float64 ones.
"""

import argparse
import dataclasses
import datetime
import json
import math
import pathlib
import sys

import ours
from layers import OPS, read_layers
from ours import convgrad

NETWORKS = pathlib.Path(__file__).resolve().parents[2] / "data" / "networks.json"


def layer_arguments(description):
    """A parser of what layers_of() asks for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=pathlib.Path, metavar="RESULT.json")
    parser.add_argument("--network", action="append", metavar="NAME",
                        help="a network of data/networks.json; may be given again (resnet_50 and vgg_16)")
    parser.add_argument("--batch", type=int, default=32, help="images at once (32)")
    parser.add_argument("--layers", default="", metavar="TEXT", help="only layers with this in their names")
    parser.add_argument("--op", action="append", choices=OPS, help="only this operation; may be given again")
    return parser


def arguments():
    parser = layer_arguments(__doc__)
    parser.add_argument("--rounds", type=int, help="turns of each side (7; dry run: 1)")
    parser.add_argument("--target", help="convgrad's target (cuda; dry run: opencl)")
    parser.add_argument("--dry-run", action="store_true",
                        help="no CUDA device: shrunk layers in host memory, checked; the times mean nothing")
    return parser.parse_args()


def layers_of(options):
    """Distinct ones; a layer that another one of the same network shrinks to is measured once."""
    layers = []
    for network in options.network or ["resnet_50", "vgg_16"]:
        read, grouped = read_layers(NETWORKS, network, options.batch)
        if grouped:
            print(f"{network}: its {grouped} grouped layers are not measured", file=sys.stderr)
        seen = set()
        for layer in read:
            if options.layers not in layer.name:
                continue
            if options.dry_run:
                layer = layer.shrunk(ours.output_shape)
            elif ours.output_shape(layer) != layer.output:
                raise SystemExit(f"{layer.name}: the library's output shape is not the network's")
            same = dataclasses.replace(layer, name="", count=0)
            if same not in seen:
                layers.append(ours.with_pads(layer))
            seen.add(same)
    if not layers:
        raise SystemExit(f"no layer has '{options.layers}' in its name")
    return layers


def main():
    options = arguments()
    rounds = options.rounds or (1 if options.dry_run else 7)
    target = options.target or ("opencl" if options.dry_run else "cuda")
    if options.dry_run:
        from host import Host as Machine
        reason = ours.why_unusable("cuda") or "usable here"
        print(f"Not measured in a dry run: the target cuda ({reason}), PyTorch, cuDNN, the device's FMA peak",
              file=sys.stderr)
    else:
        from cuda import Cuda as Machine
    machine = Machine(target, rounds)
    layers = layers_of(options)
    document = {
        "convgrad": convgrad.version(),
        "date": datetime.date.today().isoformat(),
        "target": target,
        "batch": 1 if options.dry_run else options.batch,
        "rounds": rounds,
        "dry_run": options.dry_run,
        **machine.description(),
        "results": [],
    }
    work = [(layer, op) for layer in layers for op in options.op or OPS]
    wrong = 0
    for done, (layer, op) in enumerate(work, 1):
        peak, sides = machine.measure(layer, op)
        mine = [side for side in sides if side["by"] == "convgrad"]
        for side in mine:
            side["target"] = ours.target_of(side["choice"])
        for side in sides:
            if not math.isfinite(side.get("error", 0)):
                side["error"] = None  # JSON has no NaN
        document["results"].append({
            "network": layer.network, "layer": layer.name, "count": layer.count, "op": op,
            "input": layer.input, "filter": layer.filter, "output": layer.output, "strides": layer.strides,
            "gflop": layer.flops() * 1e-9, "peak_gflops": peak, "sides": sides,
        })
        bad = [side for side in mine if side["verdict"] != "ok"]
        wrong += len(bad)
        said = [f"{side['verdict'].upper()} ({side['memory_format']}): {side['reason']}" for side in bad]
        print(f"[{done}/{len(work)}] {layer.network} {layer.name} {op}: {'; '.join(said) or 'agrees'}", file=sys.stderr)
        options.json.write_text(json.dumps(document, indent=1) + "\n")  # what there is, should a later layer fail
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
