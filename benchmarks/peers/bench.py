"""Measures convgrad beside its peers; run by build_tools/bench, which sets all of them up."""

import argparse
import json
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build_tools"))

import machine
import numpy as np
import plots
import summary
import tables
from declarations import DTYPES, dtypes_on
from measure import Gradient, measure
from problems import ProblemError, read_problems
from sides import WARM_UP, Sides
from workers import Interrupts, WorkerError

BATCHES = {"resnet_50": 4, "mobilenet_v2": 4}  # others: 1
PEERS = ("onednn", "torch", "tensorflow")
OPS = ("backprop_input", "backprop_filter")


def arguments():
    parser = argparse.ArgumentParser(
        prog="build_tools/bench",
        allow_abbrev=False,  # the shell script reads some of them too
        description="Both gradients of whole networks by convgrad and its peers (oneDNN, PyTorch, TensorFlow), on the "
        "same data: checked, then timed in turns. Writes JSON, a table and plots; an interrupt writes what there is.",
    )
    parser.add_argument(
        "--network",
        action="append",
        metavar="NAME",
        help="of data/networks.json; may be given again (resnet_50, mobilenet_v2, vgg_16, unet_572)",
    )
    parser.add_argument("--layers", default="", metavar="REGEX", help="only layers whose names it is found in")
    parser.add_argument("--batch", type=int, help="images at once (4 for resnet_50 and mobilenet_v2, 1 for others)")
    parser.add_argument(
        "--dtype", default="f32", choices=dtypes_on("cpu"), help="the tensors' element type (%(default)s)"
    )
    parser.add_argument(
        "--threads",
        default="1,2" if len(machine.cores()) > 1 else "1",
        metavar="LIST",
        help="numbers of threads, separated by commas (1,2, or 1 where there is one core)",
    )
    parser.add_argument(
        "--peers", default=",".join(PEERS), metavar="LIST", help="which, separated by commas, or none (%(default)s)"
    )
    parser.add_argument(
        "--target",
        default="",
        metavar="NAME",
        help="force a target, for example x86_64_avx2; holds oneDNN and PyTorch to its instruction set too",
    )
    parser.add_argument(
        "--hardware",
        default="",
        metavar="NAME",
        help="convgrad with the tuned rows of schedules/<target>/NAME.json, and its defaults beside that",
    )
    parser.add_argument("--nchw", action="store_true", help="time NCHW as well as NHWC")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long to time each side of each gradient (0.5)")
    parser.add_argument("--rounds", type=int, default=7, help="turns that the sides take in that time (7)")
    parser.add_argument("--quick", action="store_true", help="for a first look: --seconds 0.06 --rounds 3")
    parser.add_argument("--statistic", choices=("median", "best"), default="median", help="of the runs (median)")
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=ROOT / "build" / "bench" / "results",
        metavar="FOLDER",
        help="where to write (build/bench/results)",
    )
    parser.add_argument(
        "--from",
        dest="previous",
        type=pathlib.Path,
        metavar="RESULT.json",
        help="measure nothing: table and plots of an earlier run",
    )
    parser.add_argument(
        "--networks-file",
        type=pathlib.Path,
        default=ROOT / "data" / "networks.json",
        metavar="FILE",
        help="another file of networks",
    )
    # What build_tools/bench fills in.
    parser.add_argument("--programs", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--library", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--tuned-programs", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--tuned-library", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--opencl", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--python", action="append", default=[], help=argparse.SUPPRESS)  # PEER=PATH
    parser.add_argument("--missing", action="append", default=[], help=argparse.SUPPRESS)  # PEER=REASON
    options = parser.parse_args()
    options.peers = [] if options.peers == "none" else options.peers.split(",")
    options.pythons = dict(pair.split("=", 1) for pair in options.python)
    options.missing = dict(pair.split("=", 1) for pair in options.missing)
    try:
        options.threads = sorted({int(text) for text in options.threads.split(",")})
        options.pattern = re.compile(options.layers)
    except (ValueError, re.error) as error:
        parser.error(str(error))
    unknown = [peer for peer in options.peers if peer not in PEERS]
    if unknown:
        parser.error(f"--peers {unknown[0]}: expected some of {', '.join(PEERS)}, or none")
    if options.threads[0] < 1:
        parser.error(f"--threads {options.threads[0]}: expected at least 1")
    if options.quick:
        options.seconds, options.rounds = 0.06, 3
    return options


def read_work(options):
    """[(problem, op)]"""
    work = []
    for network in options.network or ["resnet_50", "mobilenet_v2", "vgg_16", "unet_572"]:
        batch = options.batch or BATCHES.get(network, 1)
        for problem in read_problems(options.networks_file, batch, [network], options.dtype):
            if options.pattern.search(problem.name):
                work += [(problem, op) for op in OPS]
    if not work:
        raise SystemExit(f"no layer's name has '{options.layers}' in it")
    return work


def write_json(document, folder):
    part = folder / "results.json.part"
    part.write_text(json.dumps(document, indent=1) + "\n")
    part.replace(folder / "results.json")


def progress(done, total, text):
    print(f"[{done:3}/{total}] {text}", file=sys.stderr, flush=True)


def say(row, labels):
    mine = row["sides"]["convgrad"]
    if mine["verdict"] != "ok":
        return f"convgrad {mine['verdict'].upper()}: {mine['problem']}"
    bad = [
        f"{labels[key]} {side['verdict']}: {side['problem']}"
        for key, side in row["sides"].items()
        if side["verdict"] == "wrong"
    ]
    ratio = summary.ratio(row, summary.SAME_WORK)
    beside = f", {ratio:.2f}x of the fastest peer" if ratio else ""
    return f"agrees, {mine['median_ms']:.3f} ms{beside}" + "".join(f"; {text}" for text in bad)


def run(options, document, work, sides, folder):
    labels = {side.key: side.label for side in sides.sides}
    for done, (problem, op) in enumerate(work, 1):
        gradient = Gradient(sides, folder, problem, op)
        found = measure(sides, gradient, options.threads, options.seconds, options.rounds)
        sides.forget()
        for threads, measured in found.items():
            row = {
                "network": problem.network,
                "batch": problem.input[0],
                "count": problem.count,
                "depthwise": problem.groups > 1,
                "op": op,
                "threads": threads,
                **gradient.layer,
                "tensor_bytes": gradient.tensor_bytes(),
                **measured,
            }
            document["results"].append(row)
            progress(done, len(work), f"{problem.network} {row['layer']} {op}, {threads} thread(s): {say(row, labels)}")
        write_json(document, options.output)
    document["bandwidth"] = {
        str(threads): sides.worker("convgrad", threads).ask("bandwidth")["gigabytes_per_second"]
        for threads in options.threads
    }
    write_json(document, options.output)


def measure_all(options):
    work = read_work(options)
    cores = machine.cores()
    if options.threads[-1] > len(cores):
        raise SystemExit(f"--threads {options.threads[-1]}: this process may use {len(cores)} core(s)")
    options.output.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine.description(),
        "options": {
            "target": options.target,
            "dtype": options.dtype,
            "hardware": options.hardware,
            "threads": options.threads,
            "seconds": options.seconds,
            "rounds": options.rounds,
            "layers": options.layers,
        },
        "results": [],
        "bandwidth": {},
    }
    with tempfile.TemporaryDirectory(dir=options.output) as name, Interrupts():
        folder = pathlib.Path(name)
        warm_up = {"first": str(folder / "warm_first"), "out_backprop": str(folder / "warm_second")}
        for path in warm_up.values():
            most = max(np.prod(sizes) for sizes in (WARM_UP.filter, WARM_UP.output))
            np.ones(most, DTYPES[options.dtype].long_name).tofile(path)
        sides = Sides(options, cores, warm_up)
        for owner, reason in sides.missing.items():
            print(f"{owner} is missing: {reason}", file=sys.stderr)
        document["libraries"] = sides.described
        document["missing"] = sides.missing
        document["sides"] = {
            side.key: {"label": side.label, "owner": side.owner, "format": side.format} for side in sides.sides
        }
        try:
            run(options, document, work, sides, folder)
        except (KeyboardInterrupt, WorkerError) as error:  # a peer's failure is its result; this one is convgrad's own
            document["interrupted"] = (
                f"after {len(document['results']) // len(options.threads)} of {len(work)} gradients"
                + (f": convgrad: {error}" if isinstance(error, WorkerError) else "")
            )
            print(f"\ninterrupted {document['interrupted']}", file=sys.stderr)
            write_json(document, options.output)
        finally:
            sides.close()
    return document


def main():
    options = arguments()
    try:
        document = json.loads(options.previous.read_text()) if options.previous else measure_all(options)
    except ProblemError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        print("interrupted before anything was measured", file=sys.stderr)
        return 130
    if "convgrad_tuned" in document["sides"]:
        raise SystemExit(f"{options.previous} is of an older bench, whose tuned library is another side: measure again")
    options.output.mkdir(parents=True, exist_ok=True)
    tables.show(document, options.statistic)
    (options.output / "results.md").write_text(tables.markdown(document, options.statistic))
    pictures = plots.draw(document, options.output, options.statistic)
    written = [options.output / "results.md", *pictures]
    if not options.previous:
        written.insert(0, options.output / "results.json")
    print("\nwritten: " + " ".join(str(path) for path in written))
    rows = document["results"]
    verdicts = [side["verdict"] for row in rows for key, side in row["sides"].items() if key.startswith("convgrad")]
    return 0 if verdicts and all(verdict == "ok" for verdict in verdicts) and "interrupted" not in document else 1


if __name__ == "__main__":
    sys.exit(main())
