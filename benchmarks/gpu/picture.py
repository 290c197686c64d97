"""Percent of the FMA peak, a bar a layer, a panel an operation, in the manner of build_tools/plot_demo."""

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "convgrad"  # the same picture from the same numbers
import matplotlib.pyplot as plt  # noqa: E402

import summary  # noqa: E402
from layers import OPS  # noqa: E402

BARS = {
    "convgrad": lambda op, side: side["by"] == "convgrad" and side["memory_format"] == "channels_last",
    "cuDNN's implicit GEMM": summary.COLUMNS["implicit GEMM, TF32 off"],
    "any of cuDNN's algorithms": summary.COLUMNS["any of cuDNN's, TF32 off"],
}


def heights(results, wanted):
    """Percent of the peak; where none was measured, of the fastest side of each layer."""
    percents = []
    for result in results:
        side = summary.fastest(result, wanted)
        best = summary.fastest(result, lambda op, other: not other["tf32"])
        if side is None:
            percents.append(0)
        elif result["peak_gflops"] is None:
            percents.append(100 * best["ms"] / side["ms"])
        else:
            percents.append(summary.percent_of_peak(result, side))
    return percents


def draw(document, network, path):
    ops = [op for op in OPS if summary.select(document, network, op)]
    figure, panels = plt.subplots(len(ops), 1, figsize=(11, 3 * len(ops)), sharex=True, squeeze=False,
                                  layout="constrained")
    measured = any(result["peak_gflops"] for result in document["results"])
    width = 0.8 / len(BARS)
    for panel, op in zip(panels[:, 0], ops):
        results = summary.select(document, network, op)
        for index, (name, wanted) in enumerate(BARS.items()):
            places = [i + (index - (len(BARS) - 1) / 2) * width for i in range(len(results))]
            panel.bar(places, heights(results, wanted), width, label=name)
        panel.set_ylabel("% of FMA peak" if measured else "% of the fastest")
        panel.set_title(op, loc="left")
        panel.grid(axis="y", alpha=0.4)
        panel.set_axisbelow(True)
    bottom = panels[-1, 0]
    bottom.set_xticks(range(len(results)), [result["layer"] for result in results], rotation=45, ha="right")
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower right", ncols=len(BARS))
    figure.suptitle(f"{network}, batch {document['batch']}, float32, TF32 off, {document['device']}, "
                    f"convgrad {document['convgrad']}")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
