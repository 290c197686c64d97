"""Draws results of the demo: see build_tools/plot_demo."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "convgrad"  # the same picture from the same numbers
import matplotlib.pyplot as plt

OPS = ["backprop_input", "backprop_filter"]


def draw_bars(panel, labels, series, gap=0.2):
    """A group of bars a label, a bar in it for each of `series`: {name: [height or None]}."""
    width = (1 - gap) / len(series)
    for index, (name, heights) in enumerate(series.items()):
        places = [i + (index - (len(series) - 1) / 2) * width for i in range(len(labels))]
        panel.bar(places, [height or 0 for height in heights], width, label=name)
    panel.grid(axis="y", alpha=0.4)
    panel.set_axisbelow(True)


def name_bars(panel, labels):
    panel.set_xticks(range(len(labels)), labels, rotation=45, ha="right")


def label(document):
    """The target that ran most of the layers."""
    kernels = [r["kernel"] for r in document["results"] if r["verdict"] == "ok"]
    targets = [k.split("_f32_")[1].split("_direct_")[0].split("_generic_")[0] for k in kernels]
    return max(set(targets), key=targets.count)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=pathlib.Path, nargs="+", metavar="RESULT.json")
    parser.add_argument("picture", type=pathlib.Path, metavar="PICTURE.svg")
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text()) for path in arguments.results]
    first = documents[0]
    layers = list(dict.fromkeys(r["layer"] for r in first["results"]))

    figure, panels = plt.subplots(len(OPS), 1, figsize=(11, 6), sharex=True, layout="constrained")
    for panel, op in zip(panels, OPS):
        series = {}
        for document in documents:
            percent = {r["layer"]: r["percent_of_fma_peak"] for r in document["results"] if r["op"] == op}
            series[label(document)] = [percent.get(layer) for layer in layers]
        draw_bars(panel, layers, series)
        panel.set_ylim(0, 100)
        panel.set_ylabel("% of FMA peak")
        panel.set_title(op, loc="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=len(documents))
    name_bars(panels[-1], layers)
    figure.suptitle(f"{first['network']}, batch {first['batch']}, {first['threads']} thread(s), convgrad {first['convgrad']}, "
                    f"{first['cpu']}: useful multiply-adds, packing included")
    figure.savefig(arguments.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
