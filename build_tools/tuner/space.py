"""What may be tried for a problem: kernels, their numbers, and what of them is worth a compilation."""

import collections
import re

import kernel_rows

# A kernel before it has a name: what kernel_rows.Kernel is made of. `params` is a dict of all of the family's numbers.
Candidate = collections.namedtuple("Candidate", "op algorithm filter stride params")

# Which size of the (normalized) problem a number counts pieces of: beyond it all values make the same kernel.
CHANNELS_OF_RESULT = {"conv2d": "out_channels", "conv2d_backprop_input": "in_channels"}
REDUCED_CHANNELS = {"conv2d": "in_channels", "conv2d_backprop_input": "out_channels"}
IMAGE_OF_RESULT = {"conv2d": "out", "conv2d_backprop_input": "in"}
MOST_FEW_CHANNELS = 8  # of the result, for vectors along the reduced channels
ONLY_ON_GPU = {"target_blocks"}


def round_up(value, multiple):
    return -(-value // multiple) * multiple


def factors_of_rules(family):
    """{block: tile} of the rules "block % tile == 0"."""
    pairs = (re.fullmatch(r"(\w+) % (\w+) == 0", expression) for expression, _ in kernel_rows.RULES[family])
    return {match[1]: match[2] for match in pairs if match}


class Space:
    """The candidates of one op on one problem. `sizes` are the problem's as rows compare them (normalized), `filter` and
    `stride` the problem's, `facts` the machine's: lanes, registers, l1_bytes, l2_bytes."""

    def __init__(self, op, filter_size, stride, sizes, facts, strict):
        self.op, self.filter, self.stride, self.sizes, self.facts = op, tuple(filter_size), tuple(stride), sizes, facts
        self.known = kernel_rows.schedule_params()
        self.limits = kernel_rows.schedule_expressions("LIMIT")
        winograd = kernel_rows.ALGORITHMS["winograd_4x4"]
        self.algorithms = ["direct"]
        if not strict and (self.filter, self.stride) == winograd["accepts"]:
            self.algorithms.append("winograd_4x4")

    def family(self, algorithm):
        return kernel_rows.ALGORITHMS[algorithm].get("family", "") + kernel_rows.FAMILY_OF_OP[self.op]

    def candidate(self, algorithm, params):
        return Candidate(self.op, algorithm, self.filter, self.stride, params)

    def suggest(self, trial):
        """A candidate of an Optuna trial; its numbers keep the rules, but not yet the limits."""
        algorithm = trial.suggest_categorical("algorithm", self.algorithms)
        family = self.family(algorithm)
        factors = factors_of_rules(family)
        params = {}
        for name, (preset, least, most) in self.known[family].items():
            label = f"{algorithm}.{name}"
            if name in ONLY_ON_GPU or (name == "along_reduction" and not self.may_go_along_reduction()):
                params[name] = preset
            elif name in factors:
                tile = params[factors[name]]
                params[name] = tile * trial.suggest_int(f"{label}.tiles", 1, max(1, most // tile), log=True)
            else:
                params[name] = trial.suggest_int(label, least, most, log=most > 8 and least > 0)
        return self.candidate(algorithm, self.canonical(family, params))

    def may_go_along_reduction(self):
        return self.op == "conv2d_backprop_input" and self.sizes["in_channels"] <= MOST_FEW_CHANNELS

    def suggestions(self, candidate):
        """What suggest() would have been told for this candidate: where a search starts."""
        family = self.family(candidate.algorithm)
        factors = factors_of_rules(family)
        told = {"algorithm": candidate.algorithm}
        for name, (_, least, most) in self.known[family].items():
            label, value = f"{candidate.algorithm}.{name}", candidate.params[name]
            if name in factors:
                told[f"{label}.tiles"] = value // candidate.params[factors[name]]
            elif name not in ONLY_ON_GPU:
                told[label] = value
        return told

    def canonical(self, family, params):
        """The same kernel by the smallest numbers: blocks no larger than the problem."""
        params = dict(params)
        if family == "image":
            lanes, image = self.facts["lanes"], IMAGE_OF_RESULT[self.op]
            params["along_reduction"] = min(params["along_reduction"], params["one_panel"])
            vector = 1 if params["along_reduction"] else lanes
            reduced = self.sizes[REDUCED_CHANNELS[self.op]]
            # One panel holds them all, so their number is not a choice.
            params["block_reduction"] = round_up(reduced, lanes) if params["one_panel"] else min(params["block_reduction"],
                                                                                                 round_up(reduced, lanes))
            self.clamp(params, "block_vectors", -(-self.sizes[CHANNELS_OF_RESULT[self.op]] // vector), "tile_vectors")
            self.clamp(params, "block_width", self.sizes[f"{image}_width"], "tile_width")
            self.clamp(params, "block_height", self.sizes[f"{image}_height"], "tile_height")
            params["block_images"] = min(params["block_images"], self.sizes["batch"])
        elif family == "filter":
            self.clamp(params, "block_vectors", -(-self.sizes["out_channels"] // self.facts["lanes"]), "tile_vectors")
            self.clamp(params, "block_channels", self.sizes["in_channels"], "tile_channels")
            params["block_width"] = min(params["block_width"], self.sizes["out_width"])
            params["block_height"] = min(params["block_height"], self.sizes["out_height"])
        return params

    @staticmethod
    def clamp(params, name, size, tile):
        params[name] = min(params[name], round_up(max(size, 1), params[tile]))

    def broken_limit(self, candidate):
        """The first limit that a candidate breaks, in words; None: it is worth a try."""
        family = self.family(candidate.algorithm)
        for name, (_, least, most) in self.known[family].items():
            if not least <= candidate.params[name] <= most:
                return f"{name} is {candidate.params[name]}, its range is {least} to {most}"
        for expression, meaning in self.limits[family]:
            if not kernel_rows.holds(expression, {**candidate.params, **self.facts}):
                return meaning
        return None
