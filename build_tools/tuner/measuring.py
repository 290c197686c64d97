"""From kernels to their times."""

import statistics

from tuner import machine
from tuner.machine import Failed


class Job:
    """Kernels to be timed in turns on a problem: `built` are results of Kernels.compile, each timed for so many seconds in so
    many rounds, and all of that `runs` times."""

    def __init__(self, problem_text, built, seconds, rounds, runs=1):
        self.problem_text, self.built, self.runs = problem_text, built, runs
        self.seconds, self.rounds = seconds, rounds

    def arguments(self, target_name):
        return [target_name, "1", str(self.seconds), str(self.rounds)]  # one thread

    def spec(self, name_of):
        """What convgrad_measure reads, with libraries by the names that `name_of` gives them."""
        return f"problem {self.problem_text}\n" + "".join(spec_line(kernel, name_of(library), scratch)
                                                          for kernel, library, scratch in self.built)


def spec_line(kernel, library, scratch):
    facts = {"algorithm": kernel.algorithm, "dtype": kernel.dtype, "scratch_bytes": scratch, **kernel.facts()}
    return f"kernel {library} {kernel.name} {' '.join(f'{name}={value}' for name, value in facts.items())}\n"


class Here:
    """Measures on this machine, one job at a time."""

    parallel = 1

    def __init__(self, program, target_name, limit):
        self.program, self.target_name = program, target_name
        self.limit = limit  # seconds for a run

    def facts(self):
        return machine.facts()

    def measure(self, jobs, tries=1):
        """(key, the answers of its runs or Failed) for each of {key: Job}, in the order in which they come. A job whose
        machine was lost gets so many tries."""
        for key, job in jobs.items():
            try:
                spec = job.spec(str)
                yield key, [machine.measure(self.program, job.arguments(self.target_name), spec, self.limit)
                            for _ in range(job.runs)]
            except Failed as error:
                yield key, error


def times(kernel):
    seconds = kernel["seconds"]
    return {"best": min(seconds), "median": statistics.median(seconds), "runs": len(seconds)}
