"""A result as tables: on the terminal with rich, and as Markdown."""

import sys

import summary
from rich import box
from rich.console import Console
from rich.table import Table

EXPLANATION = """ms: of convgrad, packing included; GFLOP/s: of the direct method's multiply-adds that meet no padding; peak: \
multiply-adds on registers in the kernel's instruction set, measured beside each row on as many threads; columns with x: \
that side's time over convgrad's, above 1 convgrad is faster. "Same layouts": NHWC (or NCHW) and HWIO pinned. \
"Converting": oneDNN's own layouts, conversions counted. "Its best layouts": conversions not counted. PyTorch gets \
padding that it cannot express done beforehand, not counted."""


def _text(value, form):
    return "-" if value is None else form.format(value)


def _times(value):
    return "-" if value is None else f"[red]{value:.2f}x[/]" if value < 1 else f"{value:.2f}x"


def _short_kernel(name):
    """Without the op and the type, which the row and the title say."""
    return name.split("_f32_")[-1]


def _peers(document):
    return [key for key, side in document["sides"].items() if side["owner"] != "convgrad"]


def _keys_of(key):
    """The side of convgrad that a side is held to: its own format's."""
    return "convgrad_nchw" if key.endswith("_nchw") else "convgrad"


def _speed_table(document, network, threads, depthwise, rows, statistic):
    kind = ", depthwise layers" if depthwise else ""
    table = Table(title=f"{network}{kind}, batch {rows[0]['batch']}, {threads} thread(s)", box=box.SIMPLE_HEAD,
                  title_justify="left")
    table.add_column("layer", no_wrap=True)
    for name in ("of them", "op", "kernel", "ms", "GFLOP/s", "% peak", "strict %"):
        table.add_column(name, justify="left" if name in ("op", "kernel") else "right", overflow="fold")
    others = [key for key in document["sides"] if key not in ("convgrad", "convgrad_strict")]
    for key in others:
        table.add_column(document["sides"][key]["label"], justify="right")
    for row in rows:
        mine = row["sides"]["convgrad"]
        cells = [row["layer"], str(row["count"]), row["op"].removeprefix("backprop_")]
        if mine["verdict"] != "ok":
            table.add_row(*cells, f"[red]{mine['verdict']}: {mine['problem']}[/]")
            continue
        cells += [_short_kernel(mine["kernel"]),
                  _text(summary.milliseconds(row, "convgrad", statistic), "{:.3f}"),
                  _text(summary.gflops(row, "convgrad", statistic), "{:.1f}")]
        for key in ("convgrad", "convgrad_strict"):
            fraction = summary.fraction_of_peak(row, key, statistic)
            cells.append(_text(fraction and 100 * fraction, "{:.0f}"))
        for key in others:
            side = row["sides"].get(key, {"verdict": "-"})
            cells.append(_times(summary.ratio(row, [key], statistic=statistic)) if side["verdict"] == "ok"
                         else side["verdict"])
        table.add_row(*cells)
    for op in ("backprop_input", "backprop_filter", None):
        part = [row for row in rows if op in (None, row["op"])]
        table.add_row("whole network", "", "both" if op is None else op.removeprefix("backprop_"), "",
                      _text(summary.network_time(part, "convgrad", statistic), "{:.1f}"), "", "", "",
                      *[_times((summary.network_ratio(part, [key], statistic=statistic) or [None])[0]) for key in others],
                      style="bold")
    table.add_row("geometric mean", "", "both", "", "", "", *[
        _text(mean and 100 * mean, "{:.0f}") for mean in (
            summary.geometric_mean(summary.fraction_of_peak(row, key, statistic) for row in rows)
            for key in ("convgrad", "convgrad_strict"))],
        *[_times(summary.geometric_mean(summary.ratio(row, [key], statistic=statistic) for row in rows)) for key in others])
    return table


def _cost_table(network, threads, depthwise, rows, statistic):
    table = Table(title=f"{network}{', depthwise layers' if depthwise else ''}, {threads} thread(s): what a call costs "
                  "besides", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("layer", "op", "tasks, at most 64", "first call / steady", "oneDNN's", "workspace KiB",
                 "workspace / tensors", "oneDNN's", "largest error / epsilon"):
        table.add_column(name, justify="left" if name in ("layer", "op") else "right")
    for row in rows:
        mine = row["sides"]["convgrad"]
        if mine["verdict"] != "ok":
            continue
        table.add_row(row["layer"], row["op"].removeprefix("backprop_"), str(mine["tasks_of_64"]),
                      _text(summary.first_to_steady(row, statistic=statistic), "{:.2f}"),
                      _text(summary.first_to_steady(row, "onednn_same", statistic), "{:.2f}"),
                      f"{mine['workspace_bytes'] / 1024:.0f}",
                      _text(summary.workspace_to_tensors(row), "{:.2f}"),
                      _text(summary.workspace_to_tensors(row, "onednn_same"), "{:.2f}"),
                      f"{mine['error'] * 2**23:.2f}")
    return table


def _header(document):
    machine = document["machine"]
    sides = [f"{owner['name']} {owner['version']}" + (f" ({owner['detail']})" if owner.get("detail") else "")
             for owner in document["libraries"].values()]
    lines = [f"{machine['cpu']}, {machine['cores']} core(s), {machine['os']}, {machine['compiler']}, {machine['date'][:10]}",
             "float32; " + "; ".join(sides)]
    if document["options"]["target"]:
        lines.append(f"target {document['options']['target']}, and oneDNN and PyTorch held to its instruction set")
    lines += [f"missing: {owner}: {reason}" for owner, reason in document["missing"].items()]
    if machine["load_before"] > 0.5:
        lines.append(f"the machine was not idle: load {machine['load_before']:.1f} before the first layer")
    if "interrupted" in document:
        lines.append(f"interrupted {document['interrupted']}")
    return lines


def show(document, statistic):
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    for line in _header(document):
        console.print(line, markup=False)
    for network, threads, depthwise, rows in summary.groups(document["results"]):
        console.print()
        console.print(_speed_table(document, network, threads, depthwise, rows, statistic))
        console.print(_cost_table(network, threads, depthwise, rows, statistic))
    console.print(EXPLANATION, markup=False)
    console.print()
    for line in summary.figures(document, statistic):
        console.print("- " + line, markup=False)


def markdown(document, statistic):
    """Whole networks only: what a README has room for."""
    peers = _peers(document)
    labels = [document["sides"][key]["label"] for key in peers]
    lines = [*("> " + line + "  " for line in _header(document)), "",
             "| network | threads | op | convgrad ms | " + " | ".join(labels) + " |",
             "|---|---|---|---|" + "---|" * len(labels)]
    for network, threads, depthwise, rows in summary.groups(document["results"]):
        for op in ("backprop_input", "backprop_filter", "both"):
            part = [row for row in rows if op in ("both", row["op"])]
            found = [summary.network_ratio(part, [key], _keys_of(key), statistic) for key in peers]
            lines.append(f"| {network}{' depthwise' if depthwise else ''} | {threads} | {op} | "
                         + _text(summary.network_time(part, "convgrad", statistic), "{:.1f}") + " | "
                         + " | ".join(f"{pair[0]:.2f}x" if pair else "-" for pair in found) + " |")
    lines += ["", *("- " + line for line in summary.figures(document, statistic)), ""]
    return "\n".join(lines)
