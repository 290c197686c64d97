"""Pictures of what a search found."""

import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from tuner.rows import is_win  # noqa: E402


def label(outcome):
    return f"{outcome.problem.name} {outcome.problem.op.removeprefix('conv2d_').removeprefix('backprop_')}"


def draw_best_so_far(outcomes, path):
    figure, axes = plt.subplots(figsize=(9, 5))
    for outcome in outcomes:
        best, curve = math.inf, []
        for trial in outcome.trials:
            best = min(best, trial.ratio)
            curve.append(1 / best if math.isfinite(best) else math.nan)
        axes.plot(range(1, len(curve) + 1), curve, linewidth=1, label=label(outcome))
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xlabel="candidates tried", ylabel="speed of the best so far, today's kernel = 1", xscale="log")
    if len(outcomes) <= 12:
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def draw_gains(outcomes, path):
    """Each layer's duel with today's kernel: the ratio and its 95% interval."""
    duels = [outcome for outcome in outcomes if outcome.duel and "error" not in outcome.duel]
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.22 * max(1, len(duels))))
    for row, outcome in enumerate(reversed(duels)):
        speed = 1 / outcome.duel["ratio"]
        won = is_win(outcome)
        axes.barh(row, speed, color="tab:blue" if won else "lightgray", height=0.7)
        axes.plot([1 / outcome.duel["high"], 1 / outcome.duel["low"]], [row, row], color="black", linewidth=1)
    axes.set_yticks(range(len(duels)), [label(outcome) for outcome in reversed(duels)], fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xlabel="speed, today's kernel = 1 (line: 95% interval; gray: not beyond the noise, or too little)")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def importance(outcomes):
    """How much of the spread of log(time) each number explains, over all searches of an op: the variance between the means
    of its values' groups over the whole variance (as in a one-way analysis of variance)."""
    spreads = {}
    for outcome in outcomes:
        found = [(t.candidate, math.log(t.ratio)) for t in outcome.trials if math.isfinite(t.ratio)]
        if len(found) < 8:
            continue
        mean = sum(value for _, value in found) / len(found)
        whole = sum((value - mean) ** 2 for _, value in found)
        for name in found[0][0].params:
            groups = {}
            for candidate, value in found:
                if name in candidate.params:
                    groups.setdefault(candidate.params[name], []).append(value)
            between = sum(len(g) * (sum(g) / len(g) - mean) ** 2 for g in groups.values())
            if whole > 0 and len(groups) > 1:
                spreads.setdefault((outcome.problem.op, name), []).append(between / whole)
    return {key: sum(values) / len(values) for key, values in spreads.items()}


def draw_importance(outcomes, path):
    found = sorted(importance(outcomes).items(), key=lambda entry: entry[1])
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.22 * max(1, len(found))))
    axes.barh(range(len(found)), [value for _, value in found], color="tab:blue", height=0.7)
    axes.set_yticks(range(len(found)), [f"{op.removeprefix('conv2d_')} {name}" for (op, name), _ in found], fontsize=7)
    axes.set(xlabel="part of the spread of log(time) that the number explains")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def draw(outcomes, folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, function in (("best_so_far", draw_best_so_far), ("gains", draw_gains), ("importance", draw_importance)):
        paths.append(folder / f"{name}.svg")
        function(outcomes, paths[-1])
    return paths
