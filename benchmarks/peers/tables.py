"""A result as tables: on the terminal with rich, and as Markdown."""

import sys

import summary
from declarations import DTYPES
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# convgrad's sides for each layout of images: as it is, and with direct kernels only.
OURS = {"NHWC": ("convgrad", "convgrad_strict"), "NCHW": ("convgrad_nchw", None)}

EXPLANATION = """\
ms: of convgrad, packing included; GFLOP/s: of the direct method's multiply-adds that meet no padding; peak: of
multiply-adds on registers in the kernel's instruction set, measured beside each row on as many threads; columns with x:
that side's time over convgrad's, above 1 convgrad is faster. "Same layouts": NHWC (or NCHW) and HWIO pinned.
"Defaults": convgrad without the rows of --hardware.
"Converting": oneDNN's own layouts, conversions counted. "Its best layouts": conversions not counted. PyTorch gets
padding that it cannot express done beforehand, not counted."""


def _text(value, form):
    return "-" if value is None else form.format(value)


def _times(value):
    return "-" if value is None else f"[red]{value:.2f}x[/]" if value < 1 else f"{value:.2f}x"


def _short_kernel(side):
    """Without the op and the type, which the row and the title say, and the target, which the title says."""
    return side["kernel"].split(side["target"] + "_")[-1]


def _peers(document, layout):
    return [key for key, side in document["sides"].items() if side["owner"] != "convgrad" and side["format"] == layout]


def _title(network, threads, depthwise, rows):
    return f"{network}{', depthwise layers' if depthwise else ''}, batch {rows[0]['batch']}, {threads} thread(s)"


def _targets(rows, ours):
    return ", ".join(dict.fromkeys(row["sides"][ours]["target"] for row in rows if "target" in row["sides"][ours]))


def _speed_table(document, title, rows, layout, statistic):
    ours, strict = OURS[layout]
    peers = _peers(document, layout)
    table = Table(title=f"{title}, {layout}, {_targets(rows, ours)}", box=box.SIMPLE_HEAD, title_justify="left")
    columns = ["layer", "of them", "op", "kernel", "ms", "GFLOP/s", "% of peak"] + ["strict, %"] * (strict is not None)
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("layer", "op", "kernel") else "right", no_wrap=name in ("layer", "kernel")
        )
    for key in peers:
        table.add_column(document["sides"][key]["label"], justify="right")

    def percents(of):
        return [_text(fraction and 100 * fraction, "{:.0f}") for fraction in map(of, filter(None, (ours, strict)))]

    for row in rows:
        mine = row["sides"][ours]
        cells = [row["layer"], str(row["count"]), _short_op(row["op"])]
        if mine["verdict"] != "ok":
            table.add_row(*cells, f"[red]{mine['verdict']}: {escape(mine['problem'])}[/]")
            continue
        cells += [
            _short_kernel(mine),
            _text(summary.milliseconds(row, ours, statistic), "{:.3f}"),
            _text(summary.gflops(row, ours, statistic), "{:.1f}"),
            *percents(lambda key: summary.fraction_of_peak(row, key, statistic)),
        ]
        for key in peers:
            verdict = row["sides"][key]["verdict"]
            cells.append(_times(summary.ratio(row, [key], ours, statistic)) if verdict == "ok" else verdict)
        table.add_row(*cells)
    for op in ("backprop_input", "backprop_filter", None):
        part = [row for row in rows if op in (None, row["op"])]
        table.add_row(
            "these layers" if document["options"].get("layers") else "whole network",
            "",
            _short_op(op),
            "",
            _text(summary.network_time(part, ours, statistic), "{:.1f}"),
            *[""] * (len(columns) - 5),
            *[_times((summary.network_ratio(part, [key], ours, statistic) or [None])[0]) for key in peers],
            style="bold",
        )
    table.add_row(
        "geometric mean",
        "",
        "both",
        "",
        "",
        "",
        *percents(lambda key: summary.geometric_mean(summary.fraction_of_peak(row, key, statistic) for row in rows)),
        *[_times(summary.geometric_mean(summary.ratio(row, [key], ours, statistic) for row in rows)) for key in peers],
    )
    return table


def _short_op(op):
    return "both" if op is None else op.removeprefix("backprop_")


def _dtype(document):
    return DTYPES[document["options"].get("dtype", "f32")]  # results of before had no other


def _cost_table(title, rows, statistic, eps):
    table = Table(title=f"{title}: what a call costs besides", box=box.SIMPLE_HEAD, title_justify="left")
    for name in (
        "layer",
        "op",
        "tasks, at most 64",
        "first call / steady",
        "oneDNN's",
        "workspace KiB",
        "workspace / tensors",
        "oneDNN's",
        "largest error / epsilon",
    ):
        table.add_column(name, justify="left" if name in ("layer", "op") else "right")
    for row in rows:
        mine = row["sides"]["convgrad"]
        if mine["verdict"] != "ok":
            continue
        table.add_row(
            row["layer"],
            _short_op(row["op"]),
            str(mine["tasks_of_64"]),
            _text(summary.first_to_steady(row, statistic=statistic), "{:.2f}"),
            _text(summary.first_to_steady(row, "onednn_same", statistic), "{:.2f}"),
            f"{mine['workspace_bytes'] / 1024:.0f}",
            _text(summary.workspace_to_tensors(row), "{:.2f}"),
            _text(summary.workspace_to_tensors(row, "onednn_same"), "{:.2f}"),
            f"{mine['error'] / eps:.2f}",
        )
    return table


def _header(document):
    machine = document["machine"]
    sides = [
        f"{owner['name']} {owner['version']}" + (f" ({owner['detail']})" if owner.get("detail") else "")
        for owner in document["libraries"].values()
    ]
    lines = [
        f"{machine['cpu']}, {machine['cores']} core(s), {machine['os']}, {machine['compiler']}, {machine['date'][:10]}",
        f"{_dtype(document).long_name}; " + "; ".join(sides),
    ]
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
        title = _title(network, threads, depthwise, rows)
        for layout in _layouts(document):
            console.print(_speed_table(document, title, rows, layout, statistic))
        console.print(_cost_table(title, rows, statistic, _dtype(document).eps))
    console.print(EXPLANATION, markup=False)
    console.print()
    for line in summary.figures(document, statistic):
        console.print("- " + line, markup=False)


def markdown(document, statistic):
    """Whole networks only: the tables of docs/speed.md."""
    lines = ["> " + line + "  " for line in _header(document)]
    for layout in _layouts(document):
        ours, peers = OURS[layout][0], _peers(document, layout)
        labels = [document["sides"][key]["label"] for key in peers]
        lines += [
            "",
            "| " + " | ".join(["network", "threads", "op", f"convgrad {layout}, ms", *labels]) + " |",
            "|---" * (4 + len(peers)) + "|",
        ]
        for network, threads, depthwise, rows in summary.groups(document["results"]):
            for op in ("backprop_input", "backprop_filter", None):
                part = [row for row in rows if op in (None, row["op"])]
                ratios = [summary.network_ratio(part, [key], ours, statistic) for key in peers]
                cells = [
                    network + (" depthwise" if depthwise else ""),
                    str(threads),
                    op or "both",
                    _text(summary.network_time(part, ours, statistic), "{:.1f}"),
                    *[_text(pair and pair[0], "{:.2f}x") for pair in ratios],
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *("- " + line for line in summary.figures(document, statistic)), ""])


def _layouts(document):
    return list(dict.fromkeys(side["format"] for side in document["sides"].values()))
