"""Problems, which are layers of networks at some batch, read from files.

JSON, as data/networks.json: {network: {"batch": 4, "layers": [layer, ...], "grouped_layers": [layer, ...]}}, where a layer
has
    name
    input_hwc, filter_hwio, output_hwc     sizes of one image's input, of the filter, of the output
    strides, dilations                     [height, width]; [1, 1] where not given
    padding                                "SAME", "VALID", or [[0, 0], [top, bottom], [left, right], [0, 0]]
    groups, count                          1 where not given; count: how often the network has the layer
    batch                                  where it is another than its network's
Text, as benchdnn's descriptors: mb50ic64ih56oc64oh56kh3ph1n"name*count", one a line, # before a comment.
"""

import dataclasses
import json
import pathlib
import re


class ProblemError(Exception):
    """What is wrong with a problem file, and where."""


@dataclasses.dataclass(frozen=True)
class Problem:
    name: str
    count: int
    where: str  # in its file, for messages
    input: tuple  # n, h, w, c
    filter: tuple  # r, s, c of one group, k
    output: tuple  # n, p, q, k as the file says; convgrad's own formula judges it
    strides: tuple
    dilations: tuple
    padding: object  # "SAME", "VALID" or (top, bottom, left, right)
    groups: int


def expect(condition, where, message):
    if not condition:
        raise ProblemError(f"{where}: {message}")


def sizes(value, count, where, key, least=0):
    good = (isinstance(value, (list, tuple)) and len(value) == count
            and all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in value))
    expect(good, where, f"{key} is {json.dumps(value)}, expected {count} integers from {least} on")
    return tuple(value)


def padding_of(value, where):
    if value in ("SAME", "VALID"):
        return value
    good = isinstance(value, list) and len(value) == 4 and value[0] == value[3] == [0, 0]
    expect(good, where, f"padding is {json.dumps(value)}, expected \"SAME\", \"VALID\" or [[0, 0], [top, bottom], [left, right], [0, 0]]")
    return sizes(value[1], 2, where, "padding") + sizes(value[2], 2, where, "padding")


LAYER_KEYS = {"name", "input_hwc", "filter_hwio", "output_hwc", "strides", "dilations", "padding", "groups", "count", "batch",
              "note"}


def problem_of_layer(layer, forced_batch, batch, where):
    expect(isinstance(layer, dict), where, "expected an object")
    unknown = layer.keys() - LAYER_KEYS
    expect(not unknown, where, f"unknown key {', '.join(sorted(unknown))}; known are {', '.join(sorted(LAYER_KEYS))}")
    missing = {"input_hwc", "filter_hwio", "output_hwc", "padding"} - layer.keys()
    expect(not missing, where, f"missing {', '.join(sorted(missing))}")
    (batch,) = sizes([forced_batch or layer.get("batch", batch)], 1, where, "batch")
    groups, count = (sizes([layer.get(key, 1)], 1, where, key, 1)[0] for key in ("groups", "count"))
    channels = sizes(layer["input_hwc"], 3, where, "input_hwc")[2]
    taken = sizes(layer["filter_hwio"], 4, where, "filter_hwio", 1)[2] * groups
    expect(channels == taken, where, f"the filter's {taken // groups} channels in each of {groups} groups do not make the input's "
           f"{channels}")
    return Problem(
        name=str(layer.get("name", where)), count=count, where=where, groups=groups,
        input=(batch, *sizes(layer["input_hwc"], 3, where, "input_hwc")),
        filter=sizes(layer["filter_hwio"], 4, where, "filter_hwio", 1),
        output=(batch, *sizes(layer["output_hwc"], 3, where, "output_hwc")),
        strides=sizes(layer.get("strides", [1, 1]), 2, where, "strides", 1),
        dilations=sizes(layer.get("dilations", [1, 1]), 2, where, "dilations", 1),
        padding=padding_of(layer["padding"], where))


def read_networks(path, text, batch, networks):
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProblemError(f"{path}, line {error.lineno}: {error.msg}")
    expect(isinstance(data, dict), path, "expected an object of networks")
    for name in networks:
        expect(name in data, path, f"no network {name!r}; there are {', '.join(data)}")
    problems = []
    for network in networks or data:
        entry = data[network]
        expect(isinstance(entry, dict) and "layers" in entry, f"{path}, {network}", "expected an object with layers")
        for kind in ("layers", "grouped_layers"):
            for index, layer in enumerate(entry.get(kind, [])):
                problems.append(problem_of_layer(layer, batch, entry.get("batch", 1), f"{path}, {network}.{kind}[{index}]"))
    return problems


BENCHDNN_KEYS = ("mb", "g", "ic", "oc", "ih", "iw", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw")


def problem_of_descriptor(line, batch, where):
    """benchdnn's notation: what is given of height or width holds for both (an output's width is computed where other sizes
    have a width of their own), dilations count from 0, the padding behind the image is what the output's size leaves."""
    match = re.fullmatch(r"((?:_?[a-z]+\d+)+)(?:_?n\"([^\"]*)\")?", line)
    expect(match, where, f"{line!r} is no descriptor such as mb2ic64ih56oc64oh56kh3ph1n\"name\"")
    values = {}
    for key, value in re.findall(r"([a-z]+)(\d+)", match[1]):
        expect(key in BENCHDNN_KEYS, where, f"unknown size {key}{value} in {line!r}; known are {', '.join(BENCHDNN_KEYS)}")
        expect(key not in values, where, f"{key} is given twice in {line!r}")
        values[key] = int(value)
    for key in ("ic", "oc", "ih", "kh"):
        other = key.replace("h", "w")
        expect(key in values or other in values, where, f"{line!r} lacks {key}")

    def pair(name, default=None):
        height = values.get(f"{name}h", values.get(f"{name}w", default))
        return height, values.get(f"{name}w", height)

    count = re.search(r"\*(\d+)$", match[2] or "")
    groups = values.get("g", 1)
    expect(groups >= 1 and values["ic"] % groups == 0, where, f"g is {groups}, expected a divisor of ic, which is {values['ic']}")
    image, taps, steps, before = pair("i"), pair("k"), pair("s", 1), pair("p", 0)
    expect(min(*image, *taps, *steps, values["ic"], values["oc"]) >= 1, where, f"a size in {line!r} is 0")
    dilations = tuple(d + 1 for d in pair("d", 0))
    output, padding = [], []
    own_width = any(f"{name}w" in values for name in "ikspd")
    for axis, size in enumerate((values.get("oh"), values.get("ow", None if own_width else values.get("oh")))):
        extent = (taps[axis] - 1) * dilations[axis] + 1
        if size is None:
            size = (image[axis] + 2 * before[axis] - extent) // steps[axis] + 1
        output.append(size)
        padding += [before[axis], max(0, (size - 1) * steps[axis] + extent - image[axis] - before[axis])]
    batch = batch or values.get("mb", 2)
    return Problem(
        name=re.sub(r"\*\d+$", "", match[2]) if match[2] else line, count=int(count[1]) if count else 1, where=where,
        input=(batch, *image, values["ic"]), filter=(*taps, values["ic"] // groups, values["oc"]),
        output=(batch, *output, values["oc"]), strides=steps, dilations=dilations, padding=tuple(padding), groups=groups)


def read_descriptors(path, text, batch):
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [problem_of_descriptor(line, batch, f"{path}, line {number}") for number, line in lines
            if line and not line.startswith("#")]


def read_problems(path, batch=None, networks=()):
    """The problems of a file, at `batch` images where that is given. ProblemError says what is wrong and where."""
    path = pathlib.Path(path)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: {getattr(error, 'strerror', None) or error}")
    if text.lstrip().startswith(("{", "[")):
        return read_networks(path, text, batch, networks)
    expect(not networks, path, f"has no network {', '.join(networks)}: benchdnn descriptors are one list")
    return read_descriptors(path, text, batch)
