import pytest
import summary
from results import document, ours, row, side


def both(convgrad, peer, key="onednn_same", **changes):
    return row(sides={"convgrad": ours(convgrad), key: side(peer)}, **changes)


def test_rates():
    made = row(sides={"convgrad": ours(10)})
    assert summary.gflops(made, "convgrad") == pytest.approx(100)
    assert summary.fraction_of_peak(made, "convgrad") == pytest.approx(0.5)
    assert summary.fraction_of_peak(made, "convgrad", "best") == pytest.approx(200 / 210)
    assert summary.gflops(made, "torch") is None
    assert summary.fraction_of_peak(row(sides={"convgrad": ours(10)}, peaks=[]), "convgrad") is None


def test_ratio_is_to_the_fastest_that_has_a_time():
    made = row(
        sides={
            "convgrad": ours(10),
            "onednn_same": side(30),
            "torch": side(20),
            "tensorflow": {"verdict": "failed", "problem": "no"},
        }
    )
    assert summary.fastest(made, summary.SAME_WORK) == ("torch", 20)
    assert summary.ratio(made, summary.SAME_WORK) == pytest.approx(2)
    assert summary.ratio(made, ["tensorflow"]) is None


def test_geometric_mean():
    assert summary.geometric_mean([2, 8]) == pytest.approx(4)
    assert summary.geometric_mean([2, None, 8]) == pytest.approx(4)
    assert summary.geometric_mean([]) is None


def test_a_network_has_its_layers_as_often_as_they_are_counted():
    rows = [both(10, 20, count=3), both(5, 1, layer="b")]
    assert summary.network_time(rows, "convgrad") == pytest.approx(35)
    assert summary.network_ratio(rows, summary.SAME_WORK) == (pytest.approx(61 / 35), "onednn_same")


def test_one_peer_has_to_be_fastest_over_the_whole_network():
    """Not the fastest peer of each layer: 10 + 40 and 60 + 10, never 10 + 10."""
    rows = [
        row(sides={"convgrad": ours(10), "onednn_same": side(10), "torch": side(60)}),
        row("b", sides={"convgrad": ours(10), "onednn_same": side(40), "torch": side(10)}),
    ]
    assert summary.network_ratio(rows, summary.SAME_WORK) == (pytest.approx(2.5), "onednn_same")


def test_a_side_that_lacks_a_layer_has_no_network_time():
    rows = [both(10, 20), row("b", sides={"convgrad": ours(10)})]
    assert summary.network_time(rows, "onednn_same") is None
    assert summary.network_ratio(rows, summary.SAME_WORK) is None
    assert summary.network_time([], "convgrad") is None


def test_slower_layers_come_worst_first():
    rows = [both(10, 9), both(10, 11, layer="b"), both(10, 5, layer="c")]
    assert [(round(r, 2), made["layer"]) for r, made in summary.slower_layers(rows, ["onednn_same"])] == [
        (0.5, "c"),
        (0.9, "a"),
    ]


def test_tuned_rows_are_held_against_the_defaults():
    def tuned(default, other, layer="a", kernel="another", **changes):
        return row(layer, sides={"convgrad_default": ours(default), "convgrad": ours(other, kernel=kernel)}, **changes)

    same = row("c", sides={"convgrad_default": ours(10), "convgrad": ours(10)})
    rows = [tuned(20, 10, count=3), tuned(8, 10, layer="b"), same]
    gain = summary.tuned_gain(rows)
    assert gain["mean"] == pytest.approx((2 * 0.8 * 1) ** (1 / 3))
    assert gain["network"] == pytest.approx(78 / 50)
    assert (gain["gradients"], gain["changed"]) == (3, 2)
    assert gain["mean_of_changed"] == pytest.approx(1.6**0.5)
    assert [(r, made["layer"]) for r, made in gain["slower"]] == [(0.8, "b")]
    assert summary.tuned_gain([row(sides={"convgrad": ours(10)})]) is None
    made = document(rows)
    made["options"]["hardware"] = "my_cpu"
    assert (
        "net, 1 thread(s): the rows of my_cpu are 1.170x as fast as the defaults (geometric mean of 3 gradients, "
        "1.560x over the network's time); another kernel in 2, 1.265x in these, slower in 1: "
        "b backprop_input 0.800x"
    ) in "\n".join(summary.figures(made))


def test_layers_that_direct_kernels_are_held_to():
    kept = [row(), row(filter=[1, 1, 64, 256], strides=[2, 2])]
    left = [
        row(filter=[3, 3, 64, 64], strides=[2, 2]),
        row(filter=[3, 3, 32, 64]),
        row(filter=[7, 7, 64, 64]),
        row(filter=[3, 3, 64, 64], depthwise=True),
    ]
    assert summary.direct_layers(kept + left) == kept


def test_scaling_is_beside_the_peaks():
    one = [both(10, 20)]
    two = [both(6, 12, threads=2, peaks=[380.0])]
    assert summary.scaling(one, two) == (pytest.approx(10 / 6), pytest.approx(1.9))
    assert summary.scaling(one, [row(threads=2)]) is None


def test_bits():
    same = [row(threads=t, sides={"convgrad": ours(1, bits="x")}) for t in (1, 2)]
    other = [row("b", threads=t, sides={"convgrad": ours(1, bits=str(t))}) for t in (1, 2)]
    assert summary.bits_differ(same) == []
    assert summary.bits_differ(same + other) == [("net", "b", "backprop_input")]


def test_costs():
    rows = [
        row(sides={"convgrad": ours(10, first_ms=15, fresh_ms=12, workspace_bytes=1250)}),
        row("b", sides={"convgrad": ours(10, first_ms=11)}),
    ]
    assert summary.first_to_steady(rows[0]) == pytest.approx(1.5)
    assert summary.first_to_fresh(rows[0]) == pytest.approx(1.25)
    assert summary.first_to_fresh(rows[1]) is None
    assert summary.workspace_to_tensors(rows[0]) == pytest.approx(1.25)
    value, worst = summary.largest_cost(rows, summary.workspace_to_tensors)
    assert (value, worst["layer"]) == (pytest.approx(1.25), "a")
    assert summary.largest_cost([row()], summary.first_to_steady) is None


def test_groups_part_depthwise_layers():
    rows = [row(), row("d", depthwise=True), row("b")]
    assert [(d, [r["layer"] for r in part]) for _, _, d, part in summary.groups(rows)] == [
        (False, ["a", "b"]),
        (True, ["d"]),
    ]


def test_figures_name_what_is_held_to_account():
    strict = {"convgrad_strict": ours(10)}
    rows = [
        row(sides={"convgrad": ours(5), **strict, "onednn_same": side(10), "onednn_best": side(4), "torch": side(20)}),
        row(
            "slow",
            sides={
                "convgrad": ours(5, first_ms=20, fresh_ms=8),
                **strict,
                "onednn_same": side(4),
                "onednn_best": side(4),
                "torch": side(20),
            },
        ),
        row(threads=2, peaks=[400.0], sides={"convgrad": ours(3), **strict, "onednn_same": side(10)}),
    ]
    lines = "\n".join(summary.figures(document(rows)))
    assert "net, 1 thread(s): 1.40x of oneDNN, same layouts over both gradients (same work)" in lines
    assert "net, 1 thread(s): 0.80x of oneDNN, its best layouts" in lines
    assert "1 of 2 gradients below 1.0x of oneDNN, same work: slow backprop_input 0.80x" in lines
    assert "geometric mean 50% of the FMA peak, 2 of 2 below 70%" in lines  # of the strict kernels
    assert "3.33x as fast with 2 threads as with 1, 1.67 of the FMA peak's 2.00x" in lines
    assert (
        "first call beside a steady one: at most 4.00x (net slow backprop_input, 1 thread(s)); 3 of 3 above 1.5x"
        in lines
    )
    assert (
        "first call beside a later one on tensors as new: at most 2.50x (net slow backprop_input, 1 thread(s)); 1 of 3"
        in lines
    )
    assert "libconvgrad.a has 2.0 MB" in lines
