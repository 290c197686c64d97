"""The search over one problem, which only asks the log or the machine for times: with the same log it goes the same way,
so that a run that was killed goes on where it was, and one can be replayed without a compiler."""

import collections
import math
import random
import statistics
import time
import warnings

import optuna

from tuner.log import key_of
from tuner.machine import Failed
from tuner.measuring import Job, times

optuna.logging.set_verbosity(optuna.logging.WARNING)
# Of the sampler's constant_liar: this version of Optuna is pinned.
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

WAY = 3  # of searching, part of the log's keys: a log is replayed in the way in which it was made
BATCH = 4  # asked at once: compiled together, then measured, by as many workers. Fixed, so that a replay elsewhere asks the same
MOST_DULL = 400  # asks in a row that lead to nothing new: the space is exhausted
ROUNDS = 3  # of a trial
DUELS = 3  # with the best of the trials, until one is won: a disturbed trial may look better than the winner
DUEL_ROUNDS = 15
TRIES = 3  # of a measurement that more hangs on than a candidate, where workers are lost
CONFIDENCE = 1.96  # of the mean of logarithms of ratios: 95%

Outcome = collections.namedtuple("Outcome", "problem incumbent best duel trials")


class Trial(collections.namedtuple("Trial", "candidate ratio record")):
    """`ratio`: its time over the incumbent's, by the bests or the medians, whichever says less for it; infinite where it
    failed."""

    @classmethod
    def of(cls, candidate, record):
        if "error" in record:
            return cls(candidate, math.inf, record)
        mine, theirs = record["seconds"], record["incumbent_seconds"]
        return cls(candidate, max(mine[name] / theirs[name] for name in ("best", "median")), record)


class Stop(Exception):
    """The search ends: no time is left, or a replay has come to the end of its log."""


class Clock:
    """The time that a search has. In a replay, none of it passes."""

    def __init__(self, seconds):
        self.until = time.monotonic() + seconds

    def left(self):
        return self.until - time.monotonic()


class Searched:
    """A problem of an op, and what the first measurement tells of it."""

    def __init__(self, of, op):
        self.of, self.op, self.name, self.count = of, op, of.name, of.count
        self.text = of.text(op)  # what the log's keys are made of
        self.sizes = None  # as rows compare them (normalized)
        self.flops = None


class Search:
    """`kernels` and `measuring` are None in a replay. `about` tells target, hardware, versions and how is searched, for the
    records. `most_trials` of a problem; None: as many as its time allows."""

    def __init__(self, log, kernels, measuring, about, clock, most_trials=None, watch=lambda *news: None):
        self.log, self.kernels, self.measuring, self.about = log, kernels, measuring, about
        self.seconds_each, self.clock, self.most_trials, self.watch = about["search"]["seconds"], clock, most_trials, watch

    def key(self, kind, problem, *rest):
        about = self.about
        return key_of(kind, about["target"], about["hardware"]["name"], about["versions"]["generator"], self.seconds_each,
                      problem.text, *rest)

    def key_of_search(self, kind, problem):
        return self.key(kind, problem, self.about["search"])

    def logged(self, key, make):
        """The record of this key, made now if there is none."""
        record = self.log.get(key)
        if record is None:
            if self.measuring is None:
                raise Stop("the log ends here")
            record = self.append(key, make())
        return record

    def append(self, key, facts):
        record = {"key": key, **facts, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **self.about}
        self.log.append(record)
        return record

    def built(self, *candidates):
        """Their kernels, compiled in parallel. Failed: the first that does not compile."""
        futures = [self.kernels.start(candidate) for candidate in candidates]
        return [future.result() for future in futures]

    def key_of_trial(self, problem, incumbent, candidate):
        return self.key("trial", problem, incumbent._asdict(), candidate._asdict())

    def measure_baselines(self, incumbents):
        """What today's kernels take: the records of [(Searched, incumbent)], or Failed."""
        keys = [self.key("baseline", problem, incumbent._asdict()) for problem, incumbent in incumbents]
        unknown = {key: asked for key, asked in zip(keys, incumbents) if self.log.get(key) is None}
        jobs, failed = {}, {}
        for future in [self.kernels.start(incumbent) for _, incumbent in unknown.values()]:
            future.exception()
        for key, (problem, incumbent) in unknown.items():
            try:
                jobs[key] = Job(problem.text, self.built(incumbent), self.seconds_each, ROUNDS)
            except Failed as error:
                failed[key] = error
        for key, said in self.measuring.measure(jobs, TRIES):
            if isinstance(said, Failed):
                failed[key] = said
                continue
            problem, incumbent = unknown[key]
            self.append(key, {"kind": "baseline", "problem": problem.text, "name": problem.name,
                              "candidate": incumbent._asdict(), "seconds": times(said[0]["kernels"][0]),
                              "flops": said[0]["flops"], "sizes": said[0]["normalized"], "took": said[0]["took"]})
        return [self.log.get(key) or failed[key] for key in keys]

    # A candidate beside the incumbent, in turns: their ratio does not drift with the machine.
    def measure_trials(self, problem, incumbent, candidates, measured):
        """Makes the records that the log lacks of trials of these. Calls `measured` with each new one."""
        unknown = {self.key_of_trial(problem, incumbent, candidate): candidate for candidate in candidates}
        unknown = {key: candidate for key, candidate in unknown.items() if self.log.get(key) is None}
        if not unknown:
            return
        for future in [self.kernels.start(candidate) for candidate in (incumbent, *unknown.values())]:
            future.exception()  # waits: nothing is compiled while something is measured

        def append(key, said):
            facts = {"kind": "trial", "problem": problem.text, "name": problem.name, "candidate": unknown[key]._asdict()}
            if isinstance(said, Failed):
                facts["error"] = said.as_record()
            else:
                mine, theirs = times(said["kernels"][1]), times(said["kernels"][0])
                facts.update({"seconds": mine, "incumbent_seconds": theirs, "gflops": said["flops"] / mine["best"] * 1e-9,
                              "peak_gflops": said["peak_gflops"], "tasks": said["kernels"][1]["tasks"],
                              "incumbent_tasks": said["kernels"][0]["tasks"]})
            measured(Trial.of(unknown[key], self.append(key, facts)))

        jobs = {}
        for key, candidate in unknown.items():
            try:
                jobs[key] = Job(problem.text, self.built(incumbent, candidate), self.seconds_each, ROUNDS)
            except Failed as error:
                append(key, error)
        for key, said in self.measuring.measure(jobs):
            append(key, said if isinstance(said, Failed) else said[0])

    def duel(self, problem, incumbent, candidate):
        """A candidate once more beside the incumbent, for longer: it replaces it only if it is faster beyond the noise.
        None: it could not be measured, which a resumed run tries again."""
        key = self.key("duel", problem, incumbent._asdict(), candidate._asdict())
        if self.log.get(key) is not None or self.measuring is None:
            return self.log.get(key)
        facts = {"kind": "duel", "problem": problem.text, "name": problem.name, "candidate": candidate._asdict()}
        try:
            job = Job(problem.text, self.built(incumbent, candidate), self.seconds_each, 1, DUEL_ROUNDS)
            [(_, answers)] = self.measuring.measure({"duel": job}, TRIES)
        except Failed as error:
            answers = error
        if isinstance(answers, Failed):
            return None if answers.kind == "lost" else self.append(key, {**facts, "error": answers.as_record()})
        theirs, mine = ([times(answer["kernels"][index])["median"] for answer in answers] for index in (0, 1))
        ratios = [math.log(one / other) for one, other in zip(mine, theirs)]
        mean, spread = statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))
        gflop = answers[0]["flops"] * 1e-9
        return self.append(key, {**facts, "ratio": math.exp(mean), "low": math.exp(mean - CONFIDENCE * spread),
                                 "high": math.exp(mean + CONFIDENCE * spread), "gflops": gflop / statistics.median(mine),
                                 "incumbent_gflops": gflop / statistics.median(theirs),
                                 "peak_gflops": max(answer["peak_gflops"] for answer in answers)})

    def duels(self, problem, incumbent, trials):
        """The best trial and its duel: one that was won, else the one that was lost by least; None: there was none."""
        best = min(trials, key=lambda trial: trial.ratio, default=None)
        rivals = sorted((trial for trial in trials if trial.ratio < 1 and trial.candidate != incumbent), key=lambda t: t.ratio)
        result = None
        for rival in rivals[:DUELS]:
            duel = self.duel(problem, incumbent, rival.candidate)
            if duel is None or "error" in duel:
                continue
            if result is None or duel["ratio"] < result["ratio"]:
                best, result = rival, duel
            if duel["high"] < 1:
                break
        return best, result

    def run(self, problem, space, incumbent, starts, share, seconds, everything=None):
        """The best kernel for a problem, by the incumbent's time. `starts` are tried first, then what is suggested, or all of
        `everything`, where that is given. `share`: the seconds that the problem has of the budget; `seconds`: what there is of
        them, by the clock."""
        seed = self.about["search"]["seed"]
        asked = Suggested(space, starts, seed) if everything is None else Listed(space, starts, everything, seed)
        begun = time.monotonic()
        trials, ended = [], self.log.get(self.key_of_search("end", problem))
        if self.measuring is not None and ended and ended["share"] is not None and ended["share"] < share:
            ended = None  # there is more time now

        def measured(trial):
            new.append(trial)
            self.watch(problem, trial, trials + new)

        while True:
            if self.most_trials and len(trials) >= self.most_trials:
                break
            if ended and len(trials) >= ended["trials"]:
                break
            late = time.monotonic() - begun > seconds or self.clock.left() < 0
            if trials and not ended and self.measuring is not None and late:
                break
            candidates = asked.next()
            if not candidates:
                break
            new = []
            if self.measuring is not None:
                self.measure_trials(problem, incumbent, candidates, measured)
            records = [self.log.get(self.key_of_trial(problem, incumbent, candidate)) for candidate in candidates]
            # Told in the order in which they were asked, whichever was measured first.
            new = [Trial.of(candidate, record) for candidate, record in zip(candidates, records) if record]
            trials += new
            if len(new) < len(candidates):  # a replay has come to the end of its log
                break
            asked.tell(new)
        best, duel = self.duels(problem, incumbent, trials)
        if self.measuring is not None and not ended:  # a replay ends here too
            self.log.append({"key": self.key_of_search("end", problem), "kind": "end", "problem": problem.text,
                             "trials": len(trials), "share": share if math.isfinite(share) else None})
        return Outcome(problem, incumbent, best, duel, trials)


class Suggested:
    """Candidates to start from, then those that differ in one number from the best so far, as long as that gets better, then
    what Optuna's sampler suggests by the times of all before. (Its sampler takes one number for as good as its average over the
    others, and alone hardly leaves where it started: docs/measurements/tools.md.)"""

    def __init__(self, space, starts, seed):
        self.space, self.dull, self.ratios, self.asked, self.best = space, 0, {}, [], None
        # The liar: the others of a batch have no times yet, but are not worth a second try.
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=12, constant_liar=True)
        self.study = optuna.create_study(sampler=sampler)
        self.starts, self.near = list(starts), []

    def next(self):
        """The next candidates to try, none of which was there before; none: the space is exhausted."""
        new = {}
        while len(new) < BATCH and self.dull < MOST_DULL:
            if self.starts or self.near:
                candidate = (self.starts or self.near).pop(0)
                if self.space.broken_limit(candidate):
                    continue
                self.study.enqueue_trial(self.space.suggestions(candidate))
            ask = self.study.ask()
            candidate = self.space.suggest(ask)
            name = str(candidate)
            self.asked.append((ask, name))
            if candidate is None or name in self.ratios or name in new or self.space.broken_limit(candidate):
                self.dull += 1
            else:
                self.dull = 0
                new[name] = candidate
        return list(new.values())

    def tell(self, trials):
        self.ratios.update((str(trial.candidate), trial.ratio) for trial in trials)
        best = min(trials, key=lambda trial: trial.ratio)
        if math.isfinite(best.ratio) and (self.best is None or best.ratio < self.best.ratio):
            self.best = best
            self.near, self.dull = self.space.neighbours(best.candidate), 0
        for ask, name in self.asked:
            ratio = self.ratios.get(name, math.inf)
            if math.isfinite(ratio):
                self.study.tell(ask, math.log(ratio))
            else:
                self.study.tell(ask, state=optuna.trial.TrialState.FAIL)
        self.asked = []


class Listed:
    """Candidates of a list: first those to start from, then all others in an order that depends on the seed alone, so that
    a search that ends before its list does has tried some of everything."""

    def __init__(self, space, starts, everything, seed):
        everything = list(everything)
        random.Random(seed).shuffle(everything)
        starts = [candidate for candidate in starts if not space.broken_limit(candidate)]
        self.left = list({str(candidate): candidate for candidate in starts + everything}.values())

    def next(self):
        batch, self.left = self.left[:BATCH], self.left[BATCH:]
        return batch

    def tell(self, trials):
        pass
