"""What build_tools/tune does once its tools are there."""

import argparse
import hashlib
import math
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time

import declarations
import kernel_rows
import problems as problem_files
from ask_convgrad import PROCESSORS, Probes, ToolError, expect, some_of, target_names
from rich.console import Console
from tuner import machine, report, rows
from tuner.kernels import Kernels
from tuner.log import Log, OldLog
from tuner.machine import Failed
from tuner.measuring import Here
from tuner.search import BATCH, WAY, Clock, Search, Searched, Stop
from tuner.space import Candidate, Space, UnknownCandidate, logged_candidate

ROOT = kernel_rows.ROOT
OPS = tuple(declarations.OPS)
UNITS = {"s": 1, "m": 60, "h": 3600}
NEAREST = 2  # tuned shapes that a search starts from
BUDGET = "30m"
GRID = 1000  # candidates of a problem that --exhaustive tries, if it does not say how many
FEW = 256  # so many candidates are all tried: Optuna would hardly take fewer to find the best


def seconds_of(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    expect(match, f"--budget is {text!r}, expected a time such as 90s, 30m or 2h")
    return float(match[1]) * UNITS[match[2]]


def arguments():
    parser = argparse.ArgumentParser(prog="build_tools/tune")
    parser.add_argument("--problems", action="append", required=True, type=pathlib.Path)
    parser.add_argument("--network", action="append", default=[])
    parser.add_argument("--layers", default="")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--dtype")
    parser.add_argument("--target", required=True)
    parser.add_argument("--hardware")
    parser.add_argument("--ops", default=",".join(OPS[1:]))
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--exhaustive", type=int, nargs="?", const=GRID)
    parser.add_argument("--scheduler")
    parser.add_argument("--budget")
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--replay", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--dry-run", action="store_true")
    # From the shell script; tests put programs of their own in the place of the last two.
    for name in ("--halide", "--build", "--generator", "--measure"):
        parser.add_argument(name, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--schedules", type=pathlib.Path, default=ROOT / "schedules", help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help=argparse.SUPPRESS)  # of each problem, at most
    parser.add_argument("--limit", type=float, default=60, help=argparse.SUPPRESS)  # seconds that a measurement may take
    parser.add_argument("--jobs", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    expect(options.batch is None or options.batch > 0, f"--batch is {options.batch}, expected an integer above 0")
    expect(options.seconds > 0, f"--seconds is {options.seconds}, expected a number above 0")
    expect(options.target in target_names(), f"--target is {options.target!r}, expected one of {', '.join(target_names())}")
    options.ops = some_of(options.ops, OPS, "--ops")
    expect(options.dtype in (None, *declarations.dtypes_on("cpu")),
           f"--dtype is {options.dtype!r}, expected one of {', '.join(declarations.dtypes_on('cpu'))}")
    expect(options.exhaustive is None or options.exhaustive > 0,
           f"--exhaustive is {options.exhaustive}, expected an integer above 0")
    # Everything takes what it takes.
    options.budget = math.inf if options.exhaustive and not options.budget else seconds_of(options.budget or BUDGET)
    try:
        options.layers = re.compile(options.layers)
    except re.error as error:
        raise ToolError(f"--layers is {options.layers!r}, no regular expression: {error}")
    expect(options.hardware or not options.scheduler, "--scheduler needs --hardware, the name that the workers announce")
    options.hardware = options.hardware or machine.default_name(machine.cpu_id())
    expect(re.fullmatch(r"\w+", options.hardware) and options.hardware not in ("default", "target", "any"),
           f"--hardware is {options.hardware!r}, expected a name of letters, digits and _")
    options.log = options.log or options.build / f"{options.target}-{options.hardware}.jsonl"
    expect(options.resume or options.replay or not options.log.exists(),
           f"{options.log} is there already: --resume goes on with it, --log FILE names another")
    expect(not options.replay or options.log.exists(), f"--replay: there is no log {options.log}")
    return options


def read_problems(options):
    found = []
    for path in options.problems:
        found += [problem for problem in problem_files.read_problems(path, options.batch, options.network, options.dtype)
                  if options.layers.search(problem.name)]
    expect(found, "no layer is left to tune")
    distinct = {}
    for problem in found:
        for op in options.ops:
            distinct.setdefault(problem.text(op), (problem, op))
    return list(distinct.values())


def own_copy(generator, folder):
    """(a copy of the generator, what tells its version): whoever builds another one meanwhile does not change what is measured."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = folder / f"generator.{os.getpid()}"
    shutil.copy2(generator, mine)
    version = hashlib.sha256(mine.read_bytes()).hexdigest()[:12]
    copy = folder / f"generator-{version}"
    os.replace(mine, copy)
    return copy, version


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]


def about_this(options, target, log, measuring, generator_version):
    """What goes into each record, and what limits know of the machine. A replay has both from its log."""
    # Of the last run, if several went into the log: baselines may be of one before it.
    before = ([None] + [record for record in log.records.values() if "hardware" in record])[-1]
    if options.replay:
        expect(before, f"--replay: {options.log} has no baseline")
        expect(before.get("search", {}).get("way") == WAY,
               f"--replay: {options.log} is of another version of the tuner, which searches in another way")
        device, versions, search = before["hardware"], before["versions"], before["search"]
    else:
        search = {"way": WAY, "seconds": options.seconds, "seed": options.seed, "strict": options.strict}
        if options.exhaustive:
            search["exhaustive"] = options.exhaustive
        device = {"name": options.hardware, **measuring.facts()}
        expect(not before or before["hardware"]["name"] != device["name"] or before["hardware"]["cpu"] == device["cpu"],
               f"{options.log} is of {device['name']}, a CPU {before and before['hardware']['cpu']}, but this is a CPU "
               f"{device['cpu']}: --hardware gives it another name")
        halide = (options.halide / "lib64/cmake/Halide/HalideConfigVersion.cmake").read_text()
        versions = {"compiler": first_line("c++", "--version"), "python": platform.python_version(),
                    "halide": re.search(r'PACKAGE_VERSION "([^"]+)"', halide)[1],
                    "generator": generator_version}
    facts = {"vector_bytes": target.vector_bytes, "registers": target.registers, "l1_bytes": device["l1_bytes"],
             "l2_bytes": device["l2_bytes"]}
    return {"target": options.target, "hardware": device, "versions": versions, "search": search}, facts


def incumbent_of(kernel):
    return Candidate(kernel.op, kernel.algorithm, kernel.filter, kernel.stride, kernel.params, kernel.dtype)


def logged_baselines(search, work):
    """As baselines(), of a log alone."""
    known = {record["problem"]: record for record in search.log.records.values()
             if record.get("kind") == "baseline" and record["versions"] == search.about["versions"]}
    result = []
    for problem, op in work:
        record = known.get(problem.text(op))
        if record:
            result.append(baseline(Searched(problem, op), record))
    expect(result, f"--replay: {search.log.path} has none of these problems")
    return result


def baseline(searched, record):
    searched.sizes, searched.flops = record["sizes"], record["flops"]
    return searched, logged_candidate(record["candidate"]), record


def baselines(options, search, tables, probes, work):
    """[(Searched, incumbent, record)]: the kernels that convgrad takes today and what they take, by the log or the machine."""
    answers = probes.choose(options.target, "any", options.strict, work)
    asked = [(Searched(problem, op), incumbent_of(tables.kernels[answer.kernel]))
             for (problem, op), answer in zip(work, answers) if answer.kernel is not None]  # None: nothing to compute
    result = []
    for (searched, _), record in zip(asked, search.measure_baselines(asked)):
        if isinstance(record, Failed):
            print(f"{searched.name} {searched.op}: today's kernel gives no time, so it is left out ({record})")
        else:
            result.append(baseline(searched, record))
    expect(result or not asked, "no problem is left: today's kernels give no time")
    return result


def distance(a, b):
    return sum(abs(math.log(a[name] / b[name])) for name in rows.SIZES if a[name] and b[name])


def nearest(space, problem, outcomes):
    """The best of the searches before on the most similar shapes."""
    same = [o for o in outcomes if o.best and space.is_alike(o.best.candidate)]
    same.sort(key=lambda o: distance(o.problem.sizes, problem.sizes))
    return [o.best.candidate for o in same[:NEAREST]]


def other_defaults(tables, space):
    """The target's kernels for other problems of the same kind: where a row begins may be wrong for a shape."""
    return list(filter(space.is_alike, map(incumbent_of, tables.kernels.values())))


def tuned_before(path, problem, incumbent):
    """The kernels that the file of this hardware has for the problem, then those of the target's other hardware."""
    no_tuned_ones = (path.name, "default.json", "target.json")
    others = sorted(other for other in path.parent.glob("*.json") if other.name not in no_tuned_ones)
    same = {"filter": incumbent.filter, "stride": incumbent.stride, "dtype": incumbent.dtype}
    return [logged_candidate({**row, **same}) for file in (path, *others) for row in rows.read(file)[0]
            if row.get("provenance", {}).get("problem") == problem.text]


def rows_path(options):
    return options.schedules / options.target / f"{options.hardware}.json"


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if math.isfinite(seconds) else "all the time"


def everything_of(space, most):
    """All candidates of a small space, or of a grid of about `most`, and in words which; None, None: Optuna suggests."""
    few = space.enumerated(FEW)
    if few is not None or not most:
        return few, "all there are"
    grid, found = space.finest_grid(most)
    which = f"of sizes divided by {grid.divisor}" if grid.divisor else "all there are"
    return found, which + (f", of tiles that fill {grid.sums:.0%} of the registers" if grid.sums else "")


def say_how_many(console, search, known, lists):
    """How many candidates there are of each problem and how long they take, by compiling the first of them."""
    left = {}
    for (problem, incumbent, record), everything in zip(known, lists):
        missing = [c for c in everything if search.log.get(search.key_of_trial(problem, incumbent, c)) is None]
        left[problem.text] = missing
    begun, compiled = time.monotonic(), [c for missing in left.values() for c in missing[:BATCH]]
    for future in [search.kernels.start(candidate) for candidate in compiled]:
        future.exception()
    compile_seconds = (time.monotonic() - begun) / max(1, len(compiled))
    seconds = 0
    for problem, _, record in known:
        # Beside the incumbent, so twice what that took.
        each = compile_seconds + 2 * record.get("took", search.seconds_each) / min(search.measuring.parallel, BATCH)
        seconds += each * len(left[problem.text])
    tried = sum(map(len, lists)) - sum(map(len, left.values()))
    console.print(f"all together {sum(map(len, lists))} candidates, {tried} of them in the log: about {minutes(seconds)} "
                  f"({compile_seconds:.2f} s a compilation)", highlight=False)


def tune(options, console):
    expect(platform.machine() in PROCESSORS, f"there are no kernels for {platform.machine()}")
    processor = PROCESSORS[platform.machine()].halide
    target = kernel_rows.Target(options.target, [ROOT / "schedules"], processor, "linux")
    expect(target.device == "cpu", f"--target is {options.target!r}: the tuner measures CPUs")
    expect(target.registers, f"{options.target}'s target.json does not say how many registers it has")
    work = read_problems(options)
    log = Log(options.log)
    probes = kernels = measuring = generator_version = None
    if not options.replay:
        program = options.measure or options.build / options.target / "probes/convgrad_measure"
        limit = options.limit + 20 * options.seconds
        if options.scheduler:
            from tuner.workers import Workers  # slow to import

            measuring = Workers(options.scheduler, options.hardware, program, options.target, limit)
        else:
            measuring = Here(program, options.target, limit)
        generator, generator_version = own_copy(options.generator, options.build / options.target)
    about, facts = about_this(options, target, log, measuring, generator_version)
    tables = kernel_rows.Tables()
    tables.add_file(target.rows_folder / "default.json", target, "", {problem.dtype for problem, _ in work})
    where = f" on {measuring.parallel} worker(s) of {options.scheduler}" if options.scheduler and measuring else ""
    console.print(f"{len(work)} problems on {options.target}, {options.hardware}{where}: {minutes(options.budget)}, "
                  f"log {options.log}")
    if not options.replay:
        probes = Probes(options.build / options.target, processor, [options.target], [], options.halide, str(options.jobs),
                        options.build / "log.txt", measure=options.measure is None)
        # Another generator makes other kernels of the same numbers.
        folder = options.build / options.target / f"kernels-{about['versions']['generator']}"
        kernels = Kernels(target, generator, folder, options.jobs)

    clock = Clock(options.budget)

    def watch(problem, trial, tried):
        best = min(tried, key=lambda t: t.ratio)
        said = f"{1 / trial.ratio:.2f}x" if math.isfinite(trial.ratio) else trial.record["error"]["kind"]
        left = f", {minutes(max(0, clock.left()))} left" if math.isfinite(clock.left()) else ""
        status.update(f"{problem.name} {problem.op.removeprefix('conv2d_')}: {len(tried)} tried, the last {said}, the best "
                      f"{1 / best.ratio:.2f}x of today's{left}")

    search = Search(log, kernels, measuring, about, clock, options.trials, watch)
    if search.log.torn:
        console.print(f"{options.log}: passed over {search.log.torn} torn line(s)")
    outcomes, trouble = [], None
    with console.status("what convgrad takes today ...") as status:
        try:
            known = logged_baselines(search, work) if options.replay else baselines(options, search, tables, probes, work)
            spaces, lists = [], []
            for problem, _, _ in known:
                spaces.append(Space(problem.op, problem.of.filter[:2], problem.of.strides, problem.sizes, facts,
                                    about["search"]["strict"], problem.of.dtype))
                everything, which = everything_of(spaces[-1], about["search"].get("exhaustive"))
                lists.append(everything)
                if everything is not None:
                    console.print(f"{problem.name} {problem.op.removeprefix('conv2d_')}: {len(everything)} candidates, {which}",
                                  highlight=False)
            if options.exhaustive and not options.replay:
                status.update("compiling some of them, to tell how long all will take ...")
                say_how_many(console, search, known, lists)
            spent_now = sum(problem.count * record["seconds"]["median"] for problem, _, record in known)
            # By the time that layers take, and half of it alike: small ones are searched too.
            weights = [0.5 * problem.count * record["seconds"]["median"] / spent_now + 0.5 / len(known)
                       for problem, _, record in known]
            for index, (problem, incumbent, record) in enumerate(known):
                space = spaces[index]

                def starts(space=space, problem=problem, incumbent=incumbent):
                    found = [incumbent, *tuned_before(rows_path(options), problem, incumbent),
                             *nearest(space, problem, outcomes), *other_defaults(tables, space)]
                    return {"kind": "starts", "problem": problem.text, "candidates": [
                        space.adapted(candidate)._asdict() for candidate in found if candidate.algorithm in space.algorithms]}

                # In the log, since which shapes were tuned before may be another matter in a replay.
                begin = search.logged(search.key_of_search("starts", problem), starts)["candidates"]
                # Of what is left: those before may have needed less than their share, or more.
                seconds = clock.left() * weights[index] / sum(weights[index:])
                outcome = search.run(problem, space, incumbent, list(map(logged_candidate, begin)),
                                     options.budget * weights[index], seconds, lists[index])
                outcomes.append(outcome)
                console.print(summary_line(outcome, index + 1, len(known)), highlight=False)
        except Stop:
            console.print("the log ends here: its run was cut off")
        except KeyboardInterrupt:
            console.print("interrupted: what there is goes into the rows; --resume goes on")
        except ToolError as error:
            if not outcomes:
                raise
            trouble = error  # what there is goes into the rows first
    return outcomes, about, trouble


def summary_line(outcome, number, of):
    name = f"[{number}/{of}] {outcome.problem.name} {outcome.problem.op.removeprefix('conv2d_')}"
    failed = sum(1 for t in outcome.trials if not math.isfinite(t.ratio))
    text = f"{name}: {len(outcome.trials)} tried, {failed} failed"
    duel = outcome.duel
    if not duel:
        return f"{text}; today's kernel stays, none was faster"
    by = f"today's takes {1 / duel['ratio']:.3f} times the best's time ({1 / duel['high']:.3f} to {1 / duel['low']:.3f})"
    return f"{text}; {by}, {duel['gflops']:.1f} GFLOP/s" if rows.is_win(outcome) else f"{text}; today's kernel stays, {by}"


def summary(outcomes):
    """How near today's kernels are to the best that was found, by duels; where none was faster they are the best."""
    ratios = [max(1, 1 / o.duel["ratio"]) if o.duel else 1 for o in outcomes]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"today's kernels take {mean:.3f} times the time of the best found (geometric mean of {len(ratios)}, by duels)"


def main():
    console = Console()
    try:
        options = arguments()
        outcomes, about, trouble = tune(options, console)
        if outcomes:
            console.print(summary(outcomes), highlight=False)
        if options.report:
            for path in report.draw(outcomes, options.report):
                console.print(f"written: {path}")
        # No row can say that it is for strict contexts alone.
        if outcomes and not options.dry_run and not about["search"]["strict"]:
            path = rows_path(options)
            cpu = tuple(about["hardware"]["cpu"])
            there = rows.read(path)[1]
            expect(not there or cpu in there,
                   f"{path} is of the CPU {' or '.join(map(str, there))}, what was searched ran on {cpu}: --hardware names another")
            path.parent.mkdir(parents=True, exist_ok=True)
            new, kept = rows.write(path, outcomes, cpu)
            console.print(f"{path}: {new} rows, and {kept} of before" if new + kept else "no row: today's kernels stay")
        if trouble:
            raise trouble
    except (ToolError, Failed, OldLog, UnknownCandidate, problem_files.ProblemError, kernel_rows.RowError) as error:
        sys.exit(f"tune: {error}")


if __name__ == "__main__":
    main()
