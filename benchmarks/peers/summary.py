"""What the rows of a result say: sums over a network, ratios, and the figures that convgrad is held to. Pure."""

import math
import statistics

SAME_WORK = ("onednn_same", "onednn_convert", "torch", "tensorflow")  # the caller's layouts, every conversion counted
ONEDNN_SAME_WORK = ("onednn_same", "onednn_convert")


def milliseconds(row, key, statistic="median"):
    """None where the side has no time for this row."""
    return row["sides"].get(key, {}).get(statistic + "_ms")


def peak(row, statistic="median"):
    """GFLOP/s of the row's FMA peak, None if it was not measured."""
    if not row["peaks"]:
        return None
    return max(row["peaks"]) if statistic == "best" else statistics.median(row["peaks"])


def gflops(row, key, statistic="median"):
    ms = milliseconds(row, key, statistic)
    return row["flops"] / ms * 1e-6 if ms else None


def fraction_of_peak(row, key, statistic="median"):
    rate, most = gflops(row, key, statistic), peak(row, statistic)
    return rate / most if rate and most else None


def fastest(row, keys, statistic="median"):
    """(key, ms) of the fastest of these sides, None if none has a time."""
    times = [(milliseconds(row, key, statistic), key) for key in keys]
    times = [(ms, key) for ms, key in times if ms]
    return min(times)[::-1] if times else None


def ratio(row, keys, ours="convgrad", statistic="median"):
    """How many times as long the fastest of these sides takes; above 1 convgrad is faster. None without both."""
    best, mine = fastest(row, keys, statistic), milliseconds(row, ours, statistic)
    return best[1] / mine if best and mine else None


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def select(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def network_time(rows, key, statistic="median"):
    """Milliseconds of these rows, each as often as its network has it; None if the side lacks any of them."""
    times = [milliseconds(row, key, statistic) for row in rows]
    if not rows or not all(times):
        return None
    return sum(ms * row["count"] for ms, row in zip(times, rows))


def network_ratio(rows, keys, ours="convgrad", statistic="median"):
    """(ratio, key) of the one side among keys that is fastest over all of these rows; None if none has them all."""
    times = [(network_time(rows, key, statistic), key) for key in keys]
    times = [(ms, key) for ms, key in times if ms]
    mine = network_time(rows, ours, statistic)
    return (min(times)[0] / mine, min(times)[1]) if times and mine else None


def slower_layers(rows, keys, limit=1.0, statistic="median"):
    """[(ratio, row)] of rows in which convgrad is slower than the fastest of keys, the worst first."""
    found = [(ratio(row, keys, statistic=statistic), row) for row in rows]
    return sorted(((r, row) for r, row in found if r and r < limit), key=lambda pair: pair[0])


def tuned_gain(rows, statistic="median"):
    """What the tuned rows are worth beside the defaults: {"mean": the geometric mean of how many times as long the defaults
    take, "gradients": of how many, "network": the same over the network's whole time, "changed": how many gradients have
    another kernel, "mean_of_changed": their geometric mean or None, "slower": [(that ratio, row)] below 1, the worst
    first}. None without both sides."""
    defaults = ["convgrad_default"]
    measured = [row for row in rows if ratio(row, defaults, statistic=statistic)]
    if not measured:
        return None
    network = network_ratio(rows, defaults, statistic=statistic)
    changed = [
        row
        for row in measured
        if row["sides"]["convgrad"].get("kernel") != row["sides"]["convgrad_default"].get("kernel")
    ]
    return {
        "mean": geometric_mean(ratio(row, defaults, statistic=statistic) for row in measured),
        "gradients": len(measured),
        "network": network[0] if network else None,
        "changed": len(changed),
        "mean_of_changed": (
            geometric_mean(ratio(row, defaults, statistic=statistic) for row in changed) if changed else None
        ),
        "slower": slower_layers(measured, defaults, statistic=statistic),
    }


def direct_layers(rows):
    """3x3 stride 1 and 1x1 with 64 channels or more on both sides: where direct kernels are held to the peak."""

    def wanted(row):
        filter_size, strides = tuple(row["filter"][:2]), tuple(row["strides"])
        wide = min(row["filter"][2:]) >= 64
        return wide and (filter_size == (1, 1) or (filter_size == (3, 3) and strides == (1, 1)))

    return [row for row in rows if not row["depthwise"] and wanted(row)]


def scaling(rows_one, rows_many, key="convgrad", statistic="median"):
    """(speed-up over these rows, the FMA peak's own) between two numbers of threads; None without both."""
    one, many = network_time(rows_one, key, statistic), network_time(rows_many, key, statistic)
    peaks = [geometric_mean(peak(row, statistic) for row in rows) for rows in (rows_one, rows_many)]
    return (one / many, peaks[1] / peaks[0]) if one and many and all(peaks) else None


def bits_differ(rows):
    """(network, layer, op) of gradients whose bits depend on the number of threads."""
    bits = {}
    for row in rows:
        made = row["sides"].get("convgrad", {}).get("bits")
        if made:
            bits.setdefault((row["network"], row["layer"], row["op"]), set()).add(made)
    return [name for name, seen in bits.items() if len(seen) > 1]


def largest_cost(rows, cost):
    """(value, row) of the row with the largest cost(row), None if no row has one."""
    costs = [(cost(row), row) for row in rows]
    costs = [(value, row) for value, row in costs if value is not None]
    return max(costs, key=lambda pair: pair[0]) if costs else None


def first_to_steady(row, key="convgrad", statistic="median"):
    side = row["sides"].get(key, {})
    steady = milliseconds(row, key, statistic)
    return side["first_ms"] / steady if steady and "first_ms" in side else None


def first_to_fresh(row):
    """convgrad's beside a later call on tensors that were written just before it, too: what it costs to be the first."""
    side = row["sides"].get("convgrad", {})
    return side["first_ms"] / side["fresh_ms"] if "fresh_ms" in side else None


def workspace_to_tensors(row, key="convgrad"):
    side = row["sides"].get(key, {})
    return side["workspace_bytes"] / row["tensor_bytes"] if "workspace_bytes" in side else None


def groups(rows):
    """[(network, threads, depthwise, its rows)] in the order of the rows."""
    names = dict.fromkeys((row["network"], row["threads"], row["depthwise"]) for row in rows)
    return [(n, t, d, select(rows, network=n, threads=t, depthwise=d)) for n, t, d in names]


def _row_name(row):
    return f"{row['network']} {row['layer']} {row['op']}, {row['threads']} thread(s)"


def figures(document, statistic="median"):
    """Lines of text: what the rows say of each thing that convgrad is held to."""
    rows, labels = document["results"], {key: side["label"] for key, side in document["sides"].items()}
    lines = []
    for network, threads, depthwise, group in groups(rows):
        kind = f"{network}{', depthwise layers' if depthwise else ''}, {threads} thread(s)"
        for what, keys in (("same work", SAME_WORK), ("oneDNN's best layouts", ("onednn_best",))):
            found = network_ratio(group, keys, statistic=statistic)
            if found:
                lines.append(f"{kind}: {found[0]:.2f}x of {labels[found[1]]} over both gradients ({what})")
        gain = tuned_gain(group, statistic)
        if gain:
            names = "; ".join(f"{row['layer']} {row['op']} {r:.3f}x" for r, row in gain["slower"])
            network_gain = f", {gain['network']:.3f}x over the network's time" if gain["network"] else ""
            of_changed = f", {gain['mean_of_changed']:.3f}x in these" if gain["changed"] else ""
            lines.append(
                f"{kind}: the rows of {document['options']['hardware']} are {gain['mean']:.3f}x as fast as the defaults "
                f"(geometric mean of {gain['gradients']} gradients{network_gain}); another kernel in "
                f"{gain['changed']}{of_changed}, slower in {len(gain['slower'])}" + (f": {names}" if names else "")
            )
        slow = slower_layers(group, ONEDNN_SAME_WORK, statistic=statistic)
        compared = sum(ratio(row, ONEDNN_SAME_WORK, statistic=statistic) is not None for row in group)
        if compared:
            names = "; ".join(f"{row['layer']} {row['op']} {r:.2f}x" for r, row in slow)
            lines.append(
                f"{kind}: {len(slow)} of {compared} gradients below 1.0x of oneDNN, same work"
                + (f": {names}" if names else "")
            )
        # Winograd's kernels count direct FLOPs that they do not do, so the peak is held against direct ones.
        strict = "convgrad_strict" if "convgrad_strict" in document["sides"] else "convgrad"
        wide = [(fraction_of_peak(row, strict, statistic), row) for row in direct_layers(group)]
        wide = [(fraction, row) for fraction, row in wide if fraction]
        if wide:
            low = sorted(((f, r) for f, r in wide if f < 0.7), key=lambda pair: pair[0])
            names = "; ".join(f"{row['layer']} {row['op']} {100 * f:.0f}%" for f, row in low)
            lines.append(
                f"{kind}: direct kernels, 64 channels or more, 3x3 stride 1 and 1x1: geometric mean "
                f"{100 * geometric_mean(f for f, _ in wide):.0f}% of the FMA peak, {len(low)} of {len(wide)} "
                "below 70%" + (f": {names}" if names else "")
            )
    thread_counts = sorted({row["threads"] for row in rows})
    for network in dict.fromkeys(row["network"] for row in rows):
        for threads in thread_counts[1:]:
            found = scaling(
                select(rows, network=network, threads=thread_counts[0], depthwise=False),
                select(rows, network=network, threads=threads, depthwise=False),
                statistic=statistic,
            )
            if found:
                lines.append(
                    f"{network}: {found[0]:.2f}x as fast with {threads} threads as with {thread_counts[0]}, "
                    f"{found[0] / found[1]:.2f} of the FMA peak's {found[1]:.2f}x"
                )
    if len(thread_counts) > 1:
        differ = bits_differ(rows)
        lines.append(
            "bits: "
            + (f"DIFFER between numbers of threads: {differ}" if differ else "the same for every number of threads")
        )
    for what, cost, limit in (
        ("first call beside a steady one", lambda row: first_to_steady(row, statistic=statistic), 1.5),
        ("first call beside a later one on tensors as new", first_to_fresh, 1.5),
        ("workspace beside the layer's tensors", workspace_to_tensors, 1.25),
    ):
        found = largest_cost(rows, cost)
        if found:
            above = sum((cost(row) or 0) > limit for row in rows)
            lines.append(
                f"{what}: at most {found[0]:.2f}x ({_row_name(found[1])}); {above} of {len(rows)} above {limit}x"
            )
    for owner in document["libraries"].values():
        for name, size in owner["libraries"].items():
            lines.append(f"{owner['name']} {owner['version']}: {name} has {size / 1e6:.1f} MB")
    return lines
