"""The benchmark on a CUDA device: convgrad in place on PyTorch's tensors, beside PyTorch and cuDNN."""

import concurrent.futures
import statistics

import cudnn
import fma_peak
import ours
import torch
from driver import Driver
from layers import compute, error_bound, largest_error
from ours import convgrad
from peers import PYTORCH_CHOICES, peers

# TF32 rounds operands to 11 bits, Winograd and FFT lose some more; a wrong layout or padding is off by about 1.
PEER_ERROR_BOUND = 1e-2
TIMED_MS = 3  # a side's turn: long beside the few microseconds that recording an event takes

FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class Side:
    """Something to time: run() enqueues one operation, and returns its result as NCHW or OIHW, in any strides."""

    def __init__(self, fields, run, prepare=lambda: None, thread=None):
        self.fields, self.run, self.prepare, self.thread = fields, run, prepare, thread
        self.runs = []


class Operands:
    """One operation's operands and results in each memory format, in PyTorch's order of dimensions.

    Shared by all sides: the largest layers have tensors of 400 MB.
    """

    def __init__(self, layer, op, device):
        generator = torch.Generator(device).manual_seed(1)
        self.nhwc = [torch.rand(shape, generator=generator, device=device) * 2 - 1 for shape in layer.shapes(op)[:2]]
        self._filter = {"conv2d": 1, "conv2d_backprop_input": 0, "conv2d_backprop_filter": None}[op]
        self._result_is_filter = op == "conv2d_backprop_filter"
        self._result_shape = layer.shapes(op)[2]
        self._torch = {memory_format: [
            (x.permute(3, 2, 0, 1) if i == self._filter else x.permute(0, 3, 1, 2)).contiguous(memory_format=order)
            for i, x in enumerate(self.nhwc)] for memory_format, order in FORMATS.items()}
        self._results = {}

    def torch(self, memory_format):
        return self._torch[memory_format]

    def ours(self, memory_format):
        """The same, but for filters: they are HWIO."""
        return [x if i == self._filter else y for i, (x, y) in enumerate(zip(self.nhwc, self.torch(memory_format)))]

    def result(self, by, memory_format):
        """Where this side's result goes: NCHW or OIHW in its dimensions, HWIO in memory if it is convgrad's filter."""
        key = by, memory_format
        if key not in self._results:
            a, b, c, d = self._result_shape
            device = self.nhwc[0].device
            if not self._result_is_filter:
                result = torch.empty((a, d, b, c), device=device).contiguous(memory_format=FORMATS[memory_format])
            elif by == "convgrad":
                result = torch.empty((a, b, c, d), device=device).permute(3, 2, 0, 1)
            else:
                result = torch.empty((d, c, a, b), device=device).contiguous(memory_format=FORMATS[memory_format])
            self._results[key] = result
        return self._results[key]

    def comparable(self, result):
        """A result in compute()'s order of dimensions."""
        return result.permute(2, 3, 1, 0) if self._result_is_filter else result.permute(0, 2, 3, 1)


class Cuda:
    def __init__(self, target, rounds):
        self._rounds = rounds
        self._device = torch.device("cuda")
        # A stream of its own: a context's queue cannot be the default one, whose handle is NULL.
        self._stream = torch.cuda.Stream()
        torch.cuda.set_stream(self._stream)
        self._driver = Driver()
        torch.zeros(1, device=self._device)  # makes the context
        self._target = target
        self._context = self._new_context(None)
        self._library = cudnn.Library(torch.backends.cudnn.version())
        self._library.open(self._stream.cuda_stream)
        self._properties = torch.cuda.get_device_properties(self._device)
        self._nowhere = torch.zeros(1, device=self._device)
        self._workspace = torch.empty(0, dtype=torch.uint8, device=self._device)
        self._peak = fma_peak.FmaPeak(self._driver, self._properties.multi_processor_count, self._stream.cuda_stream,
                                      self._nowhere.data_ptr())
        # PyTorch keeps the plan that it once chose for a problem, however it chose it: one such memory a thread.
        self._threads = {choice: concurrent.futures.ThreadPoolExecutor(1, choice) for choice in PYTORCH_CHOICES}

    def _new_context(self, kernel):
        return convgrad.Context(self._target, self._driver.current_context(), self._stream.cuda_stream, kernel)

    def description(self):
        version = torch.backends.cudnn.version()
        major = 10000 if version >= 90000 else 1000
        return {
            "device": self._properties.name,
            "compute_capability": f"{self._properties.major}.{self._properties.minor}",
            "multiprocessors": self._properties.multi_processor_count,
            "driver_cuda": self._driver.version(),
            "driver": driver_release(),
            "cuda": torch.version.cuda,
            "cudnn": f"{version // major}.{version % major // 100}.{version % 100}",
            "pytorch": torch.__version__,
            "fma_peak": fma_peak.HOW,
        }

    def measure(self, layer, op):
        """The device's FMA peak in GFLOP/s meanwhile, and what each side did."""
        return self._measure(layer, op, [(self._ours, memory_format) for memory_format in FORMATS] + [
            (self._pytorch if peer.by == "PyTorch" else self._cudnn, peer) for peer in peers(op)])

    def measure_kernels(self, layer, op, names):
        """As measure(), but the sides are our choice and our kernels of these names, channels_last."""
        return self._measure(layer, op, [(self._ours, "channels_last")] + [(self._forced, name) for name in names])

    def _measure(self, layer, op, makers):
        operands = Operands(layer, op, self._device)
        shape = layer.shapes(op)[2]
        first, second = (x.double() for x in operands.nhwc)
        exact = compute(layer, op, first, second, torch.zeros(shape, dtype=torch.float64, device=self._device))
        magnitude = compute(layer, op, first.abs(), second.abs(), torch.zeros_like(exact))
        del first, second

        runnable, outcomes = [], []
        for make, choice in makers:
            side, fields = self._try(make, choice, layer, op, operands, exact, magnitude)
            outcomes.append(fields)
            if side is not None:
                runnable.append(side)
        del exact, magnitude

        peak = Side({}, self._peak.run)
        self._time([peak, *runnable])
        for side in runnable:
            side.fields.update(ms=statistics.median(side.runs), best_ms=min(side.runs))
            if side.fields["by"] == "convgrad":
                result = side.run().clone()
                if not torch.equal(side.run(), result):
                    side.fields.update(verdict="wrong", reason="another run gave other bits")
        self._workspace = self._workspace.new_empty(0)  # it may be as large as all else
        torch.cuda.empty_cache()
        return self._peak.flops / statistics.median(peak.runs) * 1e-6, outcomes

    def _try(self, make, choice, layer, op, operands, exact, magnitude):
        """The side, or None, and its fields with a verdict: it has to run, and to be right."""
        is_ours = make in (self._ours, self._forced)
        if make == self._ours:
            fields = {"by": "convgrad", "choice": "", "memory_format": choice, "tf32": False}
        elif make == self._forced:
            fields = {"by": "convgrad", "choice": choice, "memory_format": "channels_last", "tf32": False}
        else:
            fields = {**vars(choice)}
        if not is_ours and layer.symmetric_pads() is None:
            return None, {**fields, "verdict": "unsupported", "reason": "needs another padding on either side"}
        bound = error_bound(layer, op) if is_ours else PEER_ERROR_BOUND
        try:
            side = make(choice, fields, layer, op, operands)
            result = self._in_thread(side, side.run)
            torch.cuda.synchronize()
        except convgrad.Error as error:
            return None, {**fields, "verdict": "failed", "reason": str(error)}
        except RuntimeError as error:  # cuDNN's and PyTorch's: not this algorithm, not this problem, out of memory
            return None, {**fields, "verdict": "unsupported", "reason": str(error).splitlines()[0]}
        fields["error"] = largest_error(operands.comparable(result).double(), exact, magnitude)
        if not fields["error"] <= bound:  # not (error > bound): a NaN is wrong too
            fields.update(verdict="wrong", reason=f"largest error {fields['error']:.1e}, bound {bound:.1e}")
            return None, fields
        fields.update(verdict="ok", reason="")
        return side, fields

    def _forced(self, kernel, fields, layer, op, operands):
        return self._ours("channels_last", fields, layer, op, operands, self._new_context(kernel))

    def _ours(self, memory_format, fields, layer, op, operands, context=None):
        plan = ours.plan(context or self._context, layer, op, memory_format, convgrad.CUDA)
        fields["choice"] = plan.kernel()
        first, second = operands.ours(memory_format)
        result = operands.result("convgrad", memory_format).fill_(float("nan"))

        def run():
            plan.run(first.data_ptr(), second.data_ptr(), result.data_ptr())
            return result

        return Side(fields, run)

    def _pytorch(self, peer, fields, layer, op, operands):
        first, second = operands.torch(peer.memory_format)
        # Of the operand whose gradient is asked for, shape and memory format alone matter.
        wanted = operands.result("PyTorch", peer.memory_format)
        arguments = (list(layer.strides), list(layer.symmetric_pads()), list(layer.dilations), False, [0, 0], 1)
        forward, backward = torch.ops.aten.convolution, torch.ops.aten.convolution_backward

        def prepare():
            torch.backends.cudnn.benchmark = peer.choice == "benchmark"
            torch.backends.cudnn.deterministic = peer.choice == "deterministic"
            torch.backends.cudnn.allow_tf32 = peer.tf32

        by_input, by_filter = [True, False, False], [False, True, False]
        run = {
            "conv2d": lambda: forward(first, second, None, *arguments),
            "conv2d_backprop_input": lambda: backward(second, wanted, first, None, *arguments, by_input)[0],
            "conv2d_backprop_filter": lambda: backward(second, first, wanted, None, *arguments, by_filter)[1],
        }[op]
        return Side(fields, run, prepare, self._threads[peer.choice])

    def _cudnn(self, peer, fields, layer, op, operands):
        convolution = cudnn.Convolution(self._library, layer, op, peer)
        first, second = operands.torch(peer.memory_format)
        result = operands.result("cuDNN", peer.memory_format).fill_(float("nan"))
        fields["workspace"] = convolution.workspace_size
        if convolution.workspace_size > self._workspace.numel():  # one for all: they take turns on one stream
            self._workspace = torch.empty(convolution.workspace_size, dtype=torch.uint8, device=self._device)

        def run():
            convolution.run(first.data_ptr(), second.data_ptr(), result.data_ptr(), self._workspace.data_ptr())
            return result

        return Side(fields, run)

    def _in_thread(self, side, function):
        def body():
            with torch.cuda.stream(self._stream):  # each thread has a current stream of its own
                side.prepare()
                return function()

        return body() if side.thread is None else side.thread.submit(body).result()

    def _time(self, sides):
        """Turn by turn, so that all see the same clock frequency; a turn is as many runs as take TIMED_MS."""
        def turn(side, runs):
            def body():
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                side.run()
                begin.record(self._stream)
                for _ in range(runs):
                    side.run()
                end.record(self._stream)
                end.synchronize()
                return begin.elapsed_time(end) / runs

            return self._in_thread(side, body)

        counts = [max(1, min(100, int(TIMED_MS / max(turn(side, 2), 1e-3)))) for side in sides]
        for _ in range(self._rounds):
            for side, runs in zip(sides, counts):
                side.runs.append(turn(side, runs))


def driver_release():
    """The driver's own version, for example 580.159.04; CUDA's interfaces do not tell it."""
    try:
        text = open("/proc/driver/nvidia/version").readline()
    except OSError:
        return "unknown"
    return next((word for word in text.split() if word[0].isdigit() and "." in word), "unknown")
