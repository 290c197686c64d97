"""The search over one problem, which only asks the log or the machine for times: with the same log it goes the same way,
so that a run that was killed goes on where it was, and one can be replayed without a compiler."""

import collections
import dataclasses
import math
import statistics
import time

import optuna

from tuner.log import key_of
from tuner.measuring import Failed, times

optuna.logging.set_verbosity(optuna.logging.WARNING)

BATCH = 4  # asked at once: compiled together, then measured one by one. Fixed, so that a replay elsewhere asks the same
MOST_DULL = 400  # asks in a row that lead to nothing new: the space is exhausted
DUEL_ROUNDS = 15
CONFIDENCE = 1.96  # of the mean of logarithms of ratios: 95%

Trial = collections.namedtuple("Trial", "candidate ratio record")
Outcome = collections.namedtuple("Outcome", "problem incumbent best duel trials")


class Stop(Exception):
    """The search ends: no time is left, or a replay has come to the end of its log."""


class Clock:
    """The time that a search has. In a replay, none of it passes."""

    def __init__(self, seconds):
        self.until = time.monotonic() + seconds

    def left(self):
        return self.until - time.monotonic()


@dataclasses.dataclass
class Problem:
    """A problem of an op."""

    line: str  # as the probes read it: what the log's keys are made of
    op: str
    name: str
    count: int
    sizes: dict = None  # as rows compare them (normalized)
    flops: float = None


class Search:
    """`kernels` and `measuring` are None in a replay. `about` tells target, hardware, versions and how is searched, for the
    records. `most_trials` of a problem; None: as many as its time allows."""

    def __init__(self, log, kernels, measuring, about, clock, most_trials=None, watch=lambda **news: None):
        self.log, self.kernels, self.measuring, self.about = log, kernels, measuring, about
        self.seconds_each, self.clock, self.most_trials, self.watch = about["search"]["seconds"], clock, most_trials, watch

    def key(self, kind, problem, *rest):
        about = self.about
        return key_of(kind, about["target"], about["hardware"]["name"], about["versions"]["generator"], self.seconds_each,
                      problem.line, *rest)

    def key_of_search(self, kind, problem):
        return self.key(kind, problem, self.about["search"])

    def logged(self, key, make):
        """The record of this key, made now if there is none."""
        record = self.log.get(key)
        if record is None:
            if self.measuring is None:
                raise Stop("the log ends here")
            record = {"key": key, **make(), "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **self.about}
            self.log.append(record)
        return record

    # A candidate beside the incumbent, in turns: their ratio does not drift with the machine.
    def trial(self, problem, incumbent, candidate):
        def make():
            facts = {"kind": "trial", "problem": problem.line, "name": problem.name, "candidate": candidate._asdict()}
            try:
                built = [self.kernels.start(incumbent).result(), self.kernels.start(candidate).result()]
                answer = self.measuring.run(problem.line, built, self.seconds_each, 3)
            except Failed as error:
                return {**facts, "error": {"kind": error.kind, "text": error.text}}
            mine, theirs = times(answer["kernels"][1]), times(answer["kernels"][0])
            return {**facts, "seconds": mine, "incumbent_seconds": theirs, "gflops": answer["flops"] / mine["best"] * 1e-9,
                    "peak_gflops": answer["peak_gflops"]}

        record = self.logged(self.key("trial", problem, incumbent._asdict(), candidate._asdict()), make)
        if "error" in record:
            return Trial(candidate, math.inf, record)
        return Trial(candidate, record["seconds"]["best"] / record["incumbent_seconds"]["best"], record)

    # The best once more beside the incumbent, for longer: it replaces it only if it is faster beyond the noise.
    def duel(self, problem, incumbent, candidate):
        def make():
            facts = {"kind": "duel", "problem": problem.line, "name": problem.name, "candidate": candidate._asdict()}
            logs = []
            try:
                built = [self.kernels.start(incumbent).result(), self.kernels.start(candidate).result()]
                for _ in range(DUEL_ROUNDS):
                    answer = self.measuring.run(problem.line, built, self.seconds_each, 1)
                    theirs, mine = map(times, answer["kernels"])
                    logs.append(math.log(mine["median"] / theirs["median"]))
            except Failed as error:
                return {**facts, "error": {"kind": error.kind, "text": error.text}}
            mean, spread = statistics.mean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
            return {**facts, "ratio": math.exp(mean), "low": math.exp(mean - CONFIDENCE * spread),
                    "high": math.exp(mean + CONFIDENCE * spread), "gflops": answer["flops"] / mine["best"] * 1e-9,
                    "incumbent_gflops": answer["flops"] / theirs["best"] * 1e-9, "peak_gflops": answer["peak_gflops"]}

        return self.logged(self.key("duel", problem, incumbent._asdict(), candidate._asdict()), make)

    def run(self, problem, space, incumbent, starts, seconds):
        """The best kernel for a problem, by the incumbent's time. `starts` are tried first."""
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.about["search"]["seed"], n_startup_trials=12))
        for candidate in starts:
            study.enqueue_trial(space.suggestions(candidate), skip_if_exists=True)
        begun = time.monotonic()
        seen, trials, dull, ended = {}, [], 0, self.log.get(self.key_of_search("end", problem))
        if self.measuring is not None and ended and ended["seconds"] < seconds:
            ended = None  # there is more time now
        while dull < MOST_DULL:
            if self.most_trials and len(trials) >= self.most_trials:
                break
            if ended and len(trials) >= ended["trials"]:
                break
            if trials and not ended and self.measuring is not None and (time.monotonic() - begun > seconds or self.clock.left() < 0):
                break
            asked, new = [], []
            while len(new) < BATCH and dull < MOST_DULL:
                ask = study.ask()
                candidate = space.suggest(ask)
                name = str(candidate)
                asked.append((ask, candidate, name))
                if name in seen or space.broken_limit(candidate):
                    dull += 1
                else:
                    dull = 0
                    seen[name] = None
                    new.append((candidate, name))
            if self.kernels is not None:
                unknown = [c for c, _ in new if self.log.get(self.key("trial", problem, incumbent._asdict(), c._asdict())) is None]
                for future in [self.kernels.start(c) for c in unknown]:
                    future.exception()  # waits; nothing is compiled while something is measured
            try:
                for candidate, name in new:
                    seen[name] = self.trial(problem, incumbent, candidate)
                    trials.append(seen[name])
                    self.watch(problem=problem, trial=seen[name], trials=trials)
            except Stop:
                break
            for ask, candidate, name in asked:
                ratio = seen[name].ratio if seen.get(name) else math.inf
                if math.isfinite(ratio):
                    study.tell(ask, math.log(ratio))
                else:
                    study.tell(ask, state=optuna.trial.TrialState.FAIL)
        best = min(trials, key=lambda trial: trial.ratio, default=None)
        duel = None
        if best is not None and best.ratio < 1 and best.candidate != incumbent:
            try:
                duel = self.duel(problem, incumbent, best.candidate)
            except Stop:
                duel = None
        if self.measuring is not None and not ended:  # a replay ends here too
            self.log.append({"key": self.key_of_search("end", problem), "kind": "end", "problem": problem.line, "trials": len(trials),
                             "seconds": seconds})
        return Outcome(problem, incumbent, best, duel, trials)
