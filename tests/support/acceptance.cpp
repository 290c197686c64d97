#include "support/acceptance.h"

#include <cstdio>
#include <cstdlib>

namespace convgrad::test {
namespace {

const std::map<std::string, Facts> &all_facts() {
  static const std::map<std::string, Facts> all = {
#define CONVGRAD_FACT(fact, value) {#fact, value},
#define CONVGRAD_KERNEL(name, dtype, target, algorithm, facts) {#name, Facts({facts})},
#include "kernels_conv2d.inc"
#include "kernels_conv2d_backprop_filter.inc"
#include "kernels_conv2d_backprop_input.inc"
#undef CONVGRAD_KERNEL
#undef CONVGRAD_FACT
  };
  return all;
}

const char *const kAxes[] = {"HEIGHT", "WIDTH"};

// One axis of a problem. Its position p meets row p * stride + r * dilation - before by its tap r.
struct Along {
  int64_t in, taps, out, stride, dilation, before;

  // A kernel for any stride computes a single position, one for dilation 1 a single tap.
  bool stride_counts() const { return out > 1; }
  bool dilation_counts() const { return taps > 1; }
  int64_t row(int64_t position, int64_t tap) const { return position * stride + tap * dilation - before; }
};

// A problem's axes; a kernel that was asked for by name may take either form of it.
struct Form {
  Along axis[2];
};

// Less the taps and positions at either end that meet rows outside the input only. False: nothing is left.
bool cut(Along *a) {
  if (a->in == 0 || a->taps == 0 || a->out == 0) return false;
  int64_t first_tap = 0, last_tap = a->taps - 1, first_out = 0, last_out = a->out - 1;
  for (bool changed = true; changed;) {
    changed = false;
    const auto drop = [&](int64_t *end, int64_t step, bool is_outside) {
      if (is_outside) *end += step;
      changed = changed || is_outside;
    };
    drop(&first_tap, 1, a->row(last_out, first_tap) < 0);
    drop(&last_tap, -1, a->row(first_out, last_tap) >= a->in);
    drop(&first_out, 1, a->row(first_out, last_tap) < 0);
    drop(&last_out, -1, a->row(last_out, first_tap) >= a->in);
    if (first_tap > last_tap || first_out > last_out) return false;
  }
  a->before = -a->row(first_out, first_tap);
  a->taps = last_tap - first_tap + 1;
  a->out = last_out - first_out + 1;
  return true;
}

// Of an image, without the channels: columns, rows, images.
struct Pixels {
  int64_t size[3], stride[3];

  // Whether all of the outer dimension's are in line with the inner one's.
  bool continues(int inner, int outer) const {
    return size[inner] == 1 || size[outer] == 1 || size[inner] * stride[inner] == stride[outer];
  }
  void join(int inner, int outer) {
    if (size[inner] == 1) stride[inner] = stride[outer];
    size[inner] *= size[outer];
    size[outer] = 1;
  }
};

struct Images {
  Pixels input, output;
};

Pixels pixels_of(const Layout &layout) {
  const size_t order[3] = {layout.channels_first ? size_t{3} : size_t{2}, layout.channels_first ? size_t{2} : size_t{1},
                           0};
  Pixels pixels = {};
  for (size_t i = 0; i < 3; ++i) {
    pixels.size[i] = layout.shape[order[i]];
    pixels.stride[i] = layout.strides[order[i]];
  }
  return pixels;
}

// A 1x1 filter does not see where a pixel is: where memory allows it rows are one row, and then so are images.
void fold(Form *form, Images images) {
  for (const Along &a : form->axis) {
    if (a.taps != 1 || (a.stride_counts() && a.stride != 1) || a.before != 0 || a.out != a.in) return;
  }
  images.output.size[1] = form->axis[0].out;
  images.output.size[0] = form->axis[1].out;
  for (const int outer : {1, 2}) {
    if (!images.input.continues(0, outer) || !images.output.continues(0, outer)) break;
    images.input.join(0, outer);
    images.output.join(0, outer);
    if (outer == 1) form->axis[0] = {1, 1, 1, 1, 1, 0};
    form->axis[1] = {images.input.size[0], 1, images.input.size[0], 1, 1, 0};
  }
}

std::string why_refused(const Facts &facts, convgrad_op op, const Form &form) {
  for (size_t i = 0; i < 2; ++i) {
    const Along &a = form.axis[i];
    const std::string along = std::string("[") + kAxes[i] + "]";
    const int64_t filter = facts["filter" + along], stride = facts["stride" + along];
    if (filter != 0 && a.taps != filter) return "it is for another filter" + along;
    if (stride != 0 && a.stride_counts() && a.stride != stride) return "it is for another stride" + along;
    if ((filter != 0 || stride != 0) && a.dilation_counts() && a.dilation != 1) return "it is for dilation 1" + along;
    if (facts["reads_input_in_place"] != 0 && (a.before > 0 || a.row(a.out - 1, a.taps - 1) >= a.in)) {
      return "it takes no padding" + along;
    }
    // A strided backprop_input is computed in phases, each with a part of the filter, unless the kernel knows the
    // stride.
    if (op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT && filter > 1 && stride == 0 && a.stride_counts() && a.stride > 1) {
      return "it takes whole filters" + along;
    }
  }
  return "";
}

}  // namespace

const Facts &facts_of(const std::string &kernel) {
  const auto found = all_facts().find(kernel);
  if (found == all_facts().end()) {
    std::fprintf(stderr, "no generated table has %s\n", kernel.c_str());
    std::abort();
  }
  return found->second;
}

std::string why_refused(const Facts &facts, const Problem &given, bool on_gpu) {
  Problem problem = given;
  if (on_gpu) problem.gap = 0, problem.spread = 1;
  const reference::Sizes sizes = sizes_of(problem);
  const Layouts layouts = layouts_of(problem);
  for (const Layout *layout : {&layouts.first, &layouts.second, &layouts.result}) {
    if (layout->size() == 0) return "";  // nothing is to be added up, so that no kernel is asked
  }
  Form whole, rest;
  for (size_t i = 0; i < 2; ++i) {
    const reference::Axis &axis = i == 0 ? sizes.height : sizes.width;
    rest.axis[i] = whole.axis[i] = {axis.in, axis.filter, axis.out, axis.stride, axis.dilation, axis.before};
    if (!cut(&rest.axis[i])) return "";
  }

  const bool by_input = problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT;
  const bool by_filter = problem.op == CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
  const Layout &input = by_input ? layouts.result : layouts.first;
  const Layout &filter = by_input ? layouts.first : by_filter ? layouts.result : layouts.second;
  const Layout &output = by_input || by_filter ? layouts.second : layouts.result;
  const int64_t in_channels = problem.in_channels / problem.groups;
  const int64_t out_channels = problem.out_channels / problem.groups;
  if (facts["fixed"] != 0) {
    const auto apart = [](const Layout &layout, int64_t channels) {
      return channels > 1 && layout.strides[layout.channels_first ? 1 : 3] != 1;
    };
    if (apart(input, in_channels) || apart(filter, out_channels) || apart(output, out_channels)) {
      return "it takes channels next to each other";
    }
  }
  const int64_t reduced = problem.op == CONVGRAD_OP_CONV2D ? in_channels : out_channels;
  if (facts["most_reduced_channels"] != 0 && reduced > facts["most_reduced_channels"])
    return "it sums over fewer channels";

  fold(&rest, {pixels_of(input), pixels_of(output)});
  const std::string of_whole = why_refused(facts, problem.op, whole);
  const std::string of_rest = why_refused(facts, problem.op, rest);
  return of_whole.empty() || of_rest.empty() ? "" : of_whole + "; less what meets no input: " + of_rest;
}

}  // namespace convgrad::test
