"""Shows what measure.py wrote: a table a network, and pictures.

Writes RESULT.txt, the table, and RESULT_<network>.svg beside each RESULT.json.
"""

import argparse
import io
import json
import pathlib

import rich.box
import rich.console
import rich.table

import picture
import summary
from layers import OPS

WIDTH = 250  # enough for any table; they take what they need


def short_kernel(op, side):
    """The part of its name that the other columns do not tell."""
    return side["choice"].removeprefix(f"{op}_f32_").removeprefix(side["target"] + "_")


def cell(result, wanted, our_ms):
    """The time, and how many times ours that is; or why there is none."""
    side = summary.fastest(result, wanted)
    if side is not None:
        return f"{side['ms']:.3f} ×{side['ms'] / our_ms:.2f}" if our_ms else f"{side['ms']:.3f}"
    reasons = {s["reason"] for s in result["sides"] if wanted(result["op"], s) and s["verdict"] == "not run"}
    return ", ".join(sorted(reasons)) or "-"


def new_table(title):
    return rich.table.Table(title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD)


def layer_table(document, network, op):
    table = new_table(f"{network}, {op}")
    for name in ("layer", "input", "filter"):
        table.add_column(name, no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    for name in ("ms", "GFLOP/s", "% of peak", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in summary.COLUMNS:
        table.add_column(name.replace(", ", "\n"), justify="right", no_wrap=True)
    results = summary.select(document, network, op)
    for result in results:
        ours = summary.ours(result)
        size = ["x".join(map(str, result["input"][1:])), "x".join(map(str, result["filter"]))]
        size[1] += f" /{result['strides'][0]}" if result["strides"][0] != 1 else ""
        if ours["verdict"] != "ok":
            error = "NaN" if ours.get("error", 0) is None else f"{ours['error']:.0e}" if "error" in ours else "-"
            row, our_ms = [short_kernel(op, ours), f"[red]{ours['verdict'].upper()}", "", "", error], None
        else:
            our_ms = ours["ms"]
            percent = summary.percent_of_peak(result)
            row = [short_kernel(op, ours), f"{our_ms:.3f}", f"{summary.gflops(result):.0f}",
                   "-" if percent is None else f"{percent:.1f}", f"{ours['error']:.0e}"]
        table.add_row(result["layer"], *size, *row, *[cell(result, w, our_ms) for w in summary.COLUMNS.values()])
    means = [summary.mean_speedup(results, wanted) for wanted in summary.COLUMNS.values()]
    if any(mean is not None for mean, _ in means):
        table.add_section()
        table.add_row("geometric mean", *[""] * 7,
                      *["-" if mean is None else f"×{mean:.2f} of {count}" for mean, count in means])
    return table


def peers_table(document, network):
    """Every setting that was tried: the geometric mean of its times over ours, and for how many layers it has one."""
    table = new_table(f"{network}: each choice of cuDNN's algorithm")
    table.add_column("time as a multiple of convgrad's (channels_last); of how many layers")
    for op in OPS:
        table.add_column(op, justify="right")
    for name in summary.settings(document, network):
        row = []
        for op in OPS:
            results = summary.select(document, network, op)
            mean, count = summary.mean_speedup(results, lambda _, side: summary.setting(side) == name)
            row.append("-" if mean is None else f"×{mean:.2f} ({count}/{len(results)})")
        table.add_row(name, *row)
    return table


def means_table(document):
    """Over all networks: what each operation is worth."""
    table = new_table("All networks: geometric means of the layers")
    table.add_column("op")
    table.add_column("3x3 stride 1\n% of peak", justify="right")
    for name in summary.COLUMNS:
        table.add_column(name.replace(", ", "\n"), justify="right")
    for op in OPS:
        results = [result for result in document["results"] if result["op"] == op]
        percents = summary.percents_of_3x3(results)
        row = ["-" if not percents else f"{summary.geometric_mean(percents):.1f} ({min(percents):.1f} to "
               f"{max(percents):.1f})"]
        for wanted in summary.COLUMNS.values():
            mean, count = summary.mean_speedup(results, wanted)
            row.append("-" if mean is None else f"×{mean:.2f} ({count}/{len(results)})")
        table.add_row(op, *row)
    return table


def show(document, console):
    d = document
    console.print(f"convgrad {d['convgrad']}, target {d['target']}, float32, batch {d['batch']}, {d['date']}; "
                  f"device: {d['device']}", highlight=False)
    if d["dry_run"]:
        console.print("Dry run: shrunk layers in host memory, checked; the times mean nothing.", highlight=False)
    else:
        console.print(f"compute capability {d['compute_capability']}, {d['multiprocessors']} multiprocessors, driver "
                      f"{d['driver']} (CUDA {d['driver_cuda']}), PyTorch {d['pytorch']} (CUDA {d['cuda']}, cuDNN "
                      f"{d['cudnn']})", highlight=False)
    networks = dict.fromkeys(result["network"] for result in d["results"])
    for network in networks:
        for op in OPS:
            if summary.select(d, network, op):
                console.print(layer_table(d, network, op))
        if not d["dry_run"]:
            console.print(peers_table(d, network))
    if not d["dry_run"]:
        console.print(means_table(d))
    console.print(
        f"ms: median of {d['rounds']} turns, all sides taking turns. GFLOP/s: of the direct method's multiply-adds "
        "that meet no padding.\n"
        f"Peak: {d['fma_peak']}. Error: the largest, of the sum of the products' absolute values.\n"
        "Other columns: ms, and × how many times convgrad's (above 1: convgrad is faster), in the faster of "
        "channels_last and contiguous.\n"
        "Implicit GEMM: the faster of cuDNN's " + "; ".join(
            f"{', '.join(names)} ({op})" for op, names in summary.IMPLICIT_GEMM.items()) + ".", highlight=False)
    for what in summary.failures(d):
        console.print(what, highlight=False, soft_wrap=True)
    tally = summary.verdicts(d)
    console.print(f"\n{tally['ok']} of {sum(tally.values())} results of convgrad agree with float64 ones",
                  highlight=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, nargs="+", metavar="RESULT.json")
    for path in parser.parse_args().results:
        document = json.loads(path.read_text())
        show(document, rich.console.Console(width=WIDTH))
        text = io.StringIO()
        show(document, rich.console.Console(file=text, width=WIDTH))
        lines = [line.rstrip() for line in text.getvalue().splitlines()]  # rich fills cells with spaces
        path.with_suffix(".txt").write_text("\n".join(lines) + "\n")
        for network in dict.fromkeys(result["network"] for result in document["results"]):
            target = path.with_name(f"{path.stem}_{network}.svg")
            picture.draw(document, network, target)
        print(f"Wrote {path}, {path.with_suffix('.txt')} and {path.stem}_<network>.svg beside them")


if __name__ == "__main__":
    main()
