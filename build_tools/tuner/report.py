"""Pictures of what a search found."""

import collections
import math
import warnings

import matplotlib
import optuna

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from tuner.rows import is_win  # noqa: E402

LEAST_TRIALS = 8  # for importance: fewer say nothing


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
    """How much each number matters for being among the fastest quarter, by Optuna's PED-ANOVA: {(op, number): the mean over
    the searches of an op}, of the algorithm that most trials of a search had."""
    found = {}
    for outcome in outcomes:
        timed = [trial for trial in outcome.trials if math.isfinite(trial.ratio)]
        algorithms = collections.Counter(trial.candidate.algorithm for trial in timed).most_common(1)
        timed = [trial for trial in timed if trial.candidate.algorithm == algorithms[0][0]]
        if len(timed) < LEAST_TRIALS:
            continue
        values = {name: {trial.candidate.params[name] for trial in timed} for name in timed[0].candidate.params}
        ranges = {name: optuna.distributions.IntDistribution(min(tried), max(tried), log=min(tried) > 0)
                  for name, tried in values.items() if len(tried) > 1}
        study = optuna.create_study()
        for trial in timed:
            params = {name: trial.candidate.params[name] for name in ranges}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=ranges, value=math.log(trial.ratio)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
            for name, value in optuna.importance.get_param_importances(study, evaluator=evaluator).items():
                found.setdefault((outcome.problem.op, name), []).append(value)
    return {key: sum(shares) / len(shares) for key, shares in found.items()}


def draw_importance(outcomes, path):
    found = sorted(importance(outcomes).items(), key=lambda entry: entry[1])
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.22 * max(1, len(found))))
    axes.barh(range(len(found)), [value for _, value in found], color="tab:blue", height=0.7)
    axes.set_yticks(range(len(found)), [f"{op.removeprefix('conv2d_')} {name}" for (op, name), _ in found], fontsize=7)
    axes.set(xlabel="importance of the number for being among the fastest quarter (PED-ANOVA)")
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
