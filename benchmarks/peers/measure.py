"""One gradient of one layer on every side: prepared, checked, timed in turns."""

import dataclasses
import hashlib
import statistics
import time

import numpy as np
from declarations import DTYPES
from workers import WorkerError

FIRST_CALLS = 3  # of convgrad's, each in a process of its own; their median counts

# A sum of n products in any order is within (n + 2) * epsilon of exact, in units of the sum of the products' absolute
# values. Winograd's transforms add a factor that has nothing to do with n, which is granted to every side.
FEWEST_TERMS = 256

# Two sides' results differ at most by so many epsilons (1e-4 of float32), in units of the largest value: a reduction of
# a million random products keeps more digits than that in any order, a wrong element does not.
SIDES_DIFFER = 840


def bound(terms, eps):
    return (max(terms, FEWEST_TERMS) + 2) * eps


def check_elements(result, exact):
    """(largest error in units of the products' absolute values, what is wrong or "")"""
    eps = np.finfo(result.dtype).eps
    places = tuple(np.array(exact["places"]).T)
    values, magnitudes, terms = (np.array(exact[name]) for name in ("values", "magnitudes", "terms"))
    error = np.abs(result[places].astype(np.float64) - values)
    bounds = np.array([bound(n, eps) for n in terms]) * magnitudes
    problem = ""
    if np.isnan(result).any():
        problem = f"{int(np.isnan(result).sum())} elements are NaN or were not written"
    elif not (error <= bounds).all():
        at = int(np.argmax(error - bounds))
        problem = (
            f"element {exact['places'][at]} is {result[tuple(exact['places'][at])]:.9g} instead of "
            f"{values[at]:.9g}, bound {bounds[at]:.2g}"
        )
    relative = error[magnitudes > 0] / magnitudes[magnitudes > 0]
    return float(relative.max()) if relative.size else 0.0, problem


def check_against(result, other):
    """What is wrong beside another side's whole result, or ""."""
    largest = np.abs(other).max()
    difference = np.abs(result - other).max() if result.size else 0
    if difference <= SIDES_DIFFER * np.finfo(result.dtype).eps * largest:
        return ""
    return f"differs from the first right result by {difference:.2g}, where the largest value is {largest:.2g}"


class Gradient:
    """What is asked of all sides for one gradient."""

    def __init__(self, sides, folder, problem, op):
        self._sides, self._folder, self._problem, self._op = sides, folder, problem, op
        self._dtype = np.dtype(DTYPES[problem.dtype].long_name)
        text = dataclasses.replace(problem, data_format="NHWC").text(f"conv2d_{op}")
        said = sides.author.ask("describe", problem=text)
        problem.expect_output(said["output"])
        self.layer = {
            "layer": problem.short_name,
            **{name: list(getattr(problem, name)) for name in ("input", "filter", "strides", "dilations")},
            **said,
        }
        self._write_operands()
        self._exact = sides.author.ask("exact", problem=text, **self._files("NHWC"))
        self._reference = None

    def tensor_bytes(self):
        sizes = (np.prod(self.layer[name]) for name in ("input", "filter", "output"))
        return sum(self._dtype.itemsize * int(size) for size in sizes)

    def prepare(self, side, threads):
        """The side's facts and verdict; its result is compared with the first one that was right."""
        worker = self._sides.worker(side.owner, threads)
        path = self._folder / "result"
        try:
            facts = self._prepare_in(worker, side)
            worker.ask("result", path=str(path), **_way(side))
            if side.key == "convgrad":
                facts["first_ms"] = statistics.median([facts["first_ms"], *self._other_first_calls(side, threads)])
        except WorkerError as error:
            return {"verdict": "failed", "problem": str(error)}
        result = self._read_result(path, side.format)
        facts["error"], problem = check_elements(result, self._exact)
        if not problem and self._reference is not None:
            problem = check_against(result, self._reference)
        if not problem and self._reference is None:
            self._reference = result
        facts["bits"] = hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()
        return {"verdict": "wrong" if problem else "ok", "problem": problem, **facts}

    def time(self, side, threads, seconds):
        worker = self._sides.worker(side.owner, threads)
        return worker.ask("time", **_way(side), seconds=seconds)["runs"]

    def _prepare_in(self, worker, side):
        files = self._files(side.format)
        return self._sides.prepare(worker, _way(side), self._problem, self._op, self.layer["pads"], **files)

    def _other_first_calls(self, side, threads):
        """Milliseconds in other processes: there is one first call in each, and a neighbour may disturb any."""
        for _ in range(FIRST_CALLS - 1):
            worker = self._sides.another(side.owner, threads)
            try:
                yield self._prepare_in(worker, side)["first_ms"]
            finally:
                worker.close()

    def _files(self, layout):
        first = "HWIO" if self._op == "backprop_input" else layout
        return {"first": str(self._folder / f"first_{first}"), "out_backprop": str(self._folder / f"second_{layout}")}

    def _write_operands(self):
        random = np.random.default_rng(1)
        first, second = (
            random.random(self.layer[name], self._dtype) * 2 - 1
            for name in ("filter" if self._op == "backprop_input" else "input", "output")
        )
        nchw = any(side.format == "NCHW" for side in self._sides.sides)
        for layout in ("NHWC", "NCHW") if nchw else ("NHWC",):
            files = self._files(layout)
            order = (0, 1, 2, 3) if layout == "NHWC" else (0, 3, 1, 2)
            np.ascontiguousarray(second.transpose(order)).tofile(files["out_backprop"])
            (first if self._op == "backprop_input" else np.ascontiguousarray(first.transpose(order))).tofile(
                files["first"]
            )

    def _read_result(self, path, layout):
        shape = self.layer["input" if self._op == "backprop_input" else "filter"]
        values = np.fromfile(path, self._dtype)
        if self._op == "backprop_input" and layout == "NCHW":
            return values.reshape(shape[0], shape[3], shape[1], shape[2]).transpose(0, 2, 3, 1)
        return values.reshape(shape)


def _way(side):
    return {"choice": side.choice, "format": side.format}


def measure(sides, gradient, threads_list, seconds, rounds):
    """{threads: {"sides": {key: facts and times}, "peaks": [GFLOP/s]}}; sides take turns, and so do thread counts."""
    found = {
        threads: {"sides": {side.key: gradient.prepare(side, threads) for side in sides.sides}, "peaks": []}
        for threads in threads_list
    }
    work = [
        (threads, side)
        for threads in threads_list
        for side in sides.sides
        if found[threads]["sides"][side.key]["verdict"] == "ok"
    ]
    # Where direct kernels alone or tuned rows change nothing there is nothing to time again.
    work = [(threads, side) for threads, side in work if not _same_kernel(found[threads]["sides"], side.key)]
    times = {}
    spent = {}
    for turn in range(rounds):
        if turn >= 3 and max(spent.values(), default=0) > 4 * seconds:
            break  # a long call: three turns tell as much as many of a short one
        for threads in threads_list:
            _measure_peak(sides, found[threads], threads)
        shift = turn % len(work) if work else 0
        for threads, side in work[shift:] + work[:shift]:
            start = time.perf_counter()
            try:
                times.setdefault((threads, side.key), []).append(gradient.time(side, threads, seconds / rounds))
            except WorkerError as error:
                found[threads]["sides"][side.key].update(verdict="failed", problem=str(error))
            spent[threads, side.key] = spent.get((threads, side.key), 0) + time.perf_counter() - start
    for threads in threads_list:
        _measure_peak(sides, found[threads], threads)
    for (threads, key), turns in times.items():
        found[threads]["sides"][key].update(
            median_ms=statistics.median(statistics.median(runs) for runs in turns),
            best_ms=min(min(runs) for runs in turns),
            runs=sum(map(len, turns)),
        )
    for threads in threads_list:
        here = found[threads]["sides"]
        for other in filter(lambda key: _same_kernel(here, key), here):
            here[other].update(
                {key: here["convgrad"][key] for key in ("median_ms", "best_ms", "runs") if key in here["convgrad"]}
            )
    return found


def _same_kernel(sides, key):
    """Whether this other side of ours runs the very kernel that convgrad's first side does."""
    return (
        key in ("convgrad_strict", "convgrad_default")
        and "kernel" in sides["convgrad"]
        and sides["convgrad"]["kernel"] == sides[key].get("kernel")
    )


def _measure_peak(sides, found, threads):
    target = found["sides"]["convgrad"].get("target")
    if target:
        peak = sides.worker("convgrad", threads).ask("peak", target=target)["gflops"]
        if peak > 0:
            found["peaks"].append(peak)
