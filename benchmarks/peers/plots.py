"""A result as pictures: speed by layer, the ratio to the best peer, a roofline."""

import pathlib
import sys

import summary

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from plot import OPS, draw_bars, name_bars, plt


def _panels(document, network, threads, rows, title):
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    figure, panels = plt.subplots(
        len(OPS), 1, figsize=(max(8, 0.75 * len(layers)), 7), sharex=True, layout="constrained"
    )
    machine = document["machine"]
    figure.suptitle(
        f"{title}: {network}, batch {rows[0]['batch']}, {threads} thread(s)\n{machine['cpu']}, {machine['date'][:10]}"
    )
    by_op = {op: {row["layer"]: row for row in rows if row["op"] == op} for op in OPS}
    for panel, op in zip(panels, OPS):
        panel.set_title(op, loc="left")
    name_bars(panels[-1], layers)
    return figure, panels, layers, by_op


def _save(figure, path):
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def _sides(document):
    """Without convgrad's other selves and NCHW, which the table has."""
    others = ("convgrad_strict", "convgrad_default")
    return [key for key, side in document["sides"].items() if side["format"] == "NHWC" and key not in others]


def _speed(document, network, threads, rows, path, statistic):
    figure, panels, layers, by_op = _panels(document, network, threads, rows, "useful GFLOP/s")
    for panel, op in zip(panels, OPS):
        series = {
            document["sides"][key]["label"]: [
                layer in by_op[op] and summary.gflops(by_op[op][layer], key, statistic) for layer in layers
            ]
            for key in _sides(document)
        }
        draw_bars(panel, layers, series)
        peaks = [(i, summary.peak(by_op[op][layer], statistic)) for i, layer in enumerate(layers) if layer in by_op[op]]
        peaks = [(i, peak) for i, peak in peaks if peak]
        panel.hlines(
            [peak for _, peak in peaks],
            [i - 0.45 for i, _ in peaks],
            [i + 0.45 for i, _ in peaks],
            color="black",
            linewidth=1.5,
            label="FMA peak, same run",
        )
        panel.set_ylabel("GFLOP/s")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return _save(figure, path)


def _ratio(document, network, threads, rows, path, statistic):
    figure, panels, layers, by_op = _panels(
        document, network, threads, rows, "time of the fastest peer over convgrad's"
    )
    for panel, op in zip(panels, OPS):
        series = {
            name: [
                layer in by_op[op] and summary.ratio(by_op[op][layer], keys, statistic=statistic) for layer in layers
            ]
            for name, keys in (("same work", summary.SAME_WORK), ("oneDNN's best layouts", ("onednn_best",)))
        }
        draw_bars(panel, layers, series)
        panel.axhline(1, color="black", linewidth=1)
        panel.set_ylabel("x")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _save(figure, path)


def _roofline(document, network, threads, rows, path, statistic):
    """GFLOP/s over FLOPs a byte of the layer's three tensors, each read or written once."""
    figure, panel = plt.subplots(figsize=(8, 6), layout="constrained")
    intensity = [row["flops"] / row["tensor_bytes"] for row in rows]
    for key in _sides(document):
        points = [(x, summary.gflops(row, key, statistic)) for x, row in zip(intensity, rows)]
        points = [(x, y) for x, y in points if y]
        if points:
            panel.plot(
                *zip(*points), "o" if key == "convgrad" else ".", label=document["sides"][key]["label"], alpha=0.8
            )
    peaks = [peak for peak in (summary.peak(row, statistic) for row in rows) if peak]
    bandwidth = document["bandwidth"].get(str(threads))
    span = [min(intensity) / 2, max(intensity) * 2]
    if peaks:
        roof = summary.geometric_mean(peaks)
        if bandwidth:
            corner = roof / bandwidth
            xs = sorted({*span, corner} if span[0] < corner < span[1] else set(span))
            panel.plot(
                xs,
                [min(roof, x * bandwidth) for x in xs],
                color="black",
                label=f"{roof:.0f} GFLOP/s, copying {bandwidth:.0f} GB/s",
            )
        else:
            panel.axhline(roof, color="black", label=f"{roof:.0f} GFLOP/s")
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("useful FLOPs a byte of the layer's tensors")
    panel.set_ylabel("useful GFLOP/s")
    panel.set_title(f"{network}, batch {rows[0]['batch']}, {threads} thread(s), {document['machine']['cpu']}")
    panel.grid(alpha=0.4)
    panel.legend()
    return _save(figure, path)


def draw(document, folder, statistic):
    """The pictures' paths."""
    paths = []
    for network, threads, depthwise, rows in summary.groups(document["results"]):
        stem = f"{network}{'_depthwise' if depthwise else ''}_{threads}"
        for name, function in (("speed", _speed), ("ratio", _ratio), ("roofline", _roofline)):
            paths.append(function(document, network, threads, rows, folder / f"{stem}_{name}.svg", statistic))
    return paths
