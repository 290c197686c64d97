"""From what a search found to schedules/<target>/<hardware>.json."""

import json

import kernel_rows
from tuner.kernels import row_of

LEAST_GAIN = 0.01
COMMENT = "Written by build_tools/tune; a row's provenance says from what."
SIZES = ("in_height", "in_width", "in_channels", "out_height", "out_width", "out_channels")


def conditions(outcome, chosen, outcomes):
    """Problems that a tuned row is preferred for: these channels, and images of about this size (a 1x1 filter's are one
    row of all pixels, whose number goes with the batch), but not those that are nearer to another searched problem. `chosen`:
    the row's candidate."""
    sizes, candidate = outcome.problem.sizes, outcome.incumbent
    alike = [o.problem.sizes for o in outcomes if o.problem.op == outcome.problem.op and o.incumbent.filter == candidate.filter
             and o.incumbent.stride == candidate.stride
             and all(o.problem.sizes[name] == sizes[name] for name in SIZES if name.endswith("channels"))]
    when = {}
    for name in SIZES:
        size, least, most = sizes[name], sizes[name], sizes[name]
        if not name.endswith("channels"):
            least, most = max(1, size * 2 // 3), size * 3 // 2
            for other in (o[name] for o in alike if o[name] != size):
                middle = (size + other) // 2
                least, most = (max(least, middle + 1), most) if other < size else (least, min(most, middle))
        when[f"min_{name}"], when[f"max_{name}"] = least, most
    when["max_groups"] = when["min_groups"] = sizes["groups"]
    images = chosen.params.get("tile_images", 1)
    return {**when, "multiple_batch": images} if images > 1 else when  # another's last tile would be zeros in part


def tuned_row(outcome, outcomes):
    duel, trials = outcome.duel, sorted(outcome.trials, key=lambda trial: trial.ratio)
    runner_up = next((t.candidate for t in trials if t.candidate != outcome.best.candidate), None)
    return {**row_of(outcome.best.candidate), "when": conditions(outcome, outcome.best.candidate, outcomes), "provenance": {
        "problem": outcome.problem.text, "name": outcome.problem.name, "device": duel["hardware"], "date": duel["date"][:10],
        "versions": duel["versions"], "gflops": round(duel["gflops"], 1),
        "percent_of_peak": round(100 * duel["gflops"] / duel["peak_gflops"]) if duel["peak_gflops"] else None,
        "time_over_default": [round(duel[key], 3) for key in ("low", "ratio", "high")],
        "runner_up": runner_up.params if runner_up else None, "trials": len(outcome.trials)}}


def is_win(outcome):
    """Whether the best is faster than the default beyond the noise, by enough to be worth 25 KB of code: all of the ratio's
    95% interval is below 1 - LEAST_GAIN."""
    return bool(outcome.duel) and outcome.duel["high"] < 1 - LEAST_GAIN


def read(path):
    """The file's rows and its CPUs, (vendor, family, model) each; none where there is no file."""
    if not path.exists():
        return [], []
    data = json.loads(path.read_text())
    return data["rows"], kernel_rows.cpus_of(data["hardware"], path)


def write(path, outcomes, cpu):
    """Rows of new winners, then those of the file for problems that were not searched; how many of both. Without any there
    is no file. (A row of before, its blocks made even, is among what a search starts from: it wins again, or is no longer
    worth its code.) What a person wrote of the hardware stays: the comment, more CPUs."""
    rows = [tuned_row(outcome, outcomes) for outcome in outcomes if is_win(outcome)]
    searched = {outcome.problem.text for outcome in outcomes if outcome.trials}
    kept = [row for row in read(path)[0] if row.get("provenance", {}).get("problem") not in searched]
    ours = {"comment": COMMENT, "hardware": dict(zip(("vendor", "family", "model"), cpu))}
    there = json.loads(path.read_text()) if path.exists() else {}
    about = {name: there.get(name, value) for name, value in ours.items()}
    if not rows + kept and about == ours:
        path.unlink(missing_ok=True)
        return 0, 0
    lines = [f'  "{name}": {json.dumps(value, ensure_ascii=False)},\n' for name, value in about.items()]
    path.write_text("{\n" + "".join(lines) + '  "rows": [\n    ' + ",\n    ".join(map(json.dumps, rows + kept)) + "\n  ]\n}\n")
    return len(rows), len(kept)
