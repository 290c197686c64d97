#include "choose_kernel.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "divide/packed_filter.h"

namespace convgrad {
namespace {

int64_t value_of(Size size, const Normalized &problem) {
  switch (size) {
#define CONVGRAD_SIZE(name, value) \
  case Size::name:                 \
    return value;
#include "sizes.inc"
#undef CONVGRAD_SIZE
    case Size::count:
      break;
  }
  return 0;
}

constexpr const char *kSizeNames[] = {
#define CONVGRAD_SIZE(name, value) #name,
#include "sizes.inc"
#undef CONVGRAD_SIZE
    "no size"};
constexpr const char *kBoundNames[] = {"none", "min", "max", "multiple"};  // in the order of Bound

bool meets(const Condition *conditions, const Normalized &problem, Text *reason) {
  for (const Condition *condition = conditions; condition->bound != Bound::none; ++condition) {
    const int64_t value = value_of(condition->size, problem);
    const bool met = condition->bound == Bound::min   ? value >= condition->value
                     : condition->bound == Bound::max ? value <= condition->value
                                                      : value % condition->value == 0;
    if (!met) {
      reason->append("wants %s_%s %lld, the problem has %lld", kBoundNames[static_cast<int>(condition->bound)],
                     kSizeNames[static_cast<int>(condition->size)], static_cast<long long>(condition->value),
                     static_cast<long long>(value));
      return false;
    }
  }
  return true;
}

TextOf<32> size_text(int height, int width) {
  TextOf<32> text;
  const int sizes[2] = {height, width};
  for (int i = 0; i < 2; ++i) {
    if (i == 1) text.append("x");
    if (sizes[i] == 0) {
      text.append("any");
    } else {
      text.append("%d", sizes[i]);
    }
  }
  return text;
}

// Everything about a row except what its kernel computes.
bool row_applies(const Row &row, const Kernel &kernel, const Normalized &problem, const Machine &machine,
                 const Choice &choice, Text *reason) {
  const Target &target = *kernel.target;
  if (choice.target != nullptr && choice.target != &target) {
    reason->append("its target is %s, asked for was %s", target.name, choice.target->name);
    return false;
  }
  if (choice.target == nullptr && target.device != DeviceKind::CPU) {
    reason->append("its target %s is a GPU's, which are used only when asked for by name", target.name);
    return false;
  }
  if (choice.target == nullptr && target.priority == 0) {
    reason->append("its target %s is used only when asked for by name", target.name);
    return false;
  }
  if (!usable(target, machine, reason)) return false;
  if (strcmp(row.hardware, "any") != 0 &&
      (machine.hardware == nullptr || strcmp(row.hardware, machine.hardware) != 0)) {
    reason->append("tuned for %s, this machine is %s", row.hardware,
                   machine.hardware == nullptr ? "of another kind" : machine.hardware);
    return false;
  }
  if (choice.strict && kernel.strict == 0) {
    reason->append("not strict: its error exceeds the bound of direct summation");
    return false;
  }
  return meets(row.when, problem, reason);
}

// For the text of a choice that found nothing: the target that needs least, if the machine cannot run even that.
void explain_nothing(const KernelTable &table, const Machine &machine, const Choice &choice, Text *reason) {
  Text lacking;
  for (size_t i = 0; i < table.row_count; ++i) {
    const Target &target = *table.kernels[table.rows[i].kernel].target;
    const bool unasked = target.priority == 0 || target.device != DeviceKind::CPU;
    if (choice.target != nullptr ? choice.target != &target : unasked) continue;
    lacking.clear();  // the last row's is the lowest target
    if (usable(target, machine, &lacking)) {
      reason->append("no kernel of this build takes the problem");
      return;
    }
  }
  if (lacking.empty()) {
    reason->append("this build has no kernel%s%s for the op", choice.target == nullptr ? "" : " of target ",
                   choice.target == nullptr ? "" : choice.target->name);
  } else {
    reason->append("%s", lacking.c_str());
  }
}

}  // namespace

bool usable(const Target &target, const Machine &machine, Text *reason) {
  const uint64_t missing = target.features & ~machine.features;
  if (missing == 0) return true;
  reason->append("target %s needs %s; this machine lacks %s", target.name, features_text(target.features).c_str(),
                 features_text(missing).c_str());
  return false;
}

bool accepts(const Kernel &kernel, const Normalized &problem, Text *reason) {
  if (kernel.dtype != problem.dtype) {
    reason->append("made for another dtype");
    return false;
  }
  for (int i = 0; i < 2; ++i) {
    const Axis &axis = problem.axis[i];
    if (kernel.filter[i] != 0 && kernel.filter[i] != axis.taps) {
      reason->append(
          "takes filter %s, the problem has %lldx%lld", size_text(kernel.filter[HEIGHT], kernel.filter[WIDTH]).c_str(),
          static_cast<long long>(problem.axis[HEIGHT].taps), static_cast<long long>(problem.axis[WIDTH].taps));
      return false;
    }
    // With one position any stride is the right one.
    if (kernel.stride[i] != 0 && kernel.stride[i] != axis.stride && axis.out != 1) {
      reason->append(
          "takes stride %s, the problem has %lldx%lld", size_text(kernel.stride[HEIGHT], kernel.stride[WIDTH]).c_str(),
          static_cast<long long>(problem.axis[HEIGHT].stride), static_cast<long long>(problem.axis[WIDTH].stride));
      return false;
    }
    if ((kernel.filter[i] != 0 || kernel.stride[i] != 0) && axis.taps > 1 && axis.dilation != 1) {
      reason->append("takes dilation 1x1, the problem has %lldx%lld",
                     static_cast<long long>(problem.axis[HEIGHT].dilation),
                     static_cast<long long>(problem.axis[WIDTH].dilation));
      return false;
    }
    // Positions with one tap that meet padding are trimmed, unless a kernel asked for by name gets the problem whole.
    if (kernel.reads_input_in_place != 0 &&
        (axis.before > 0 || Wide{axis.stride} * (axis.out - 1) - axis.before >= axis.in)) {
      reason->append("reads the input in place, the problem has padding along its %s",
                     i == HEIGHT ? "height" : "width");
      return false;
    }
    // Padding beyond the filter is trimmed too, with the same exception.
    if (kernel.joins_phases != 0) {
      // Its coordinates, rounded up, and these times a stride are int32.
      const int64_t step = std::max<int64_t>(problem.view[INPUT].stride[image_dimension(i)], 2);
      const int64_t most = std::numeric_limits<int32_t>::max() / step;
      if (axis.before + axis.in > most) {
        reason->append("counts the input's %s with the padding, at most %lld of them", i == HEIGHT ? "rows" : "columns",
                       static_cast<long long>(most));
        return false;
      }
    }
    // The phases of a strided problem have parts of the filter.
    if (problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT && kernel.stride[i] == 0 && kernel.filter[i] > 1 &&
        axis.stride > 1) {
      reason->append("takes a whole filter %s, stride %lldx%lld leaves parts of it",
                     size_text(kernel.filter[HEIGHT], kernel.filter[WIDTH]).c_str(),
                     static_cast<long long>(problem.axis[HEIGHT].stride),
                     static_cast<long long>(problem.axis[WIDTH].stride));
      return false;
    }
  }
  const int64_t reduced = problem.op == CONVGRAD_OP_CONV2D ? problem.in_channels : problem.out_channels;
  if (kernel.most_reduced_channels != 0 && reduced > kernel.most_reduced_channels) {
    reason->append("sums over at most %d channels, the problem has %lld", kernel.most_reduced_channels,
                   static_cast<long long>(reduced));
    return false;
  }
  if (const Wide bytes = packed_filter_bytes(kernel, problem); bytes > std::numeric_limits<int32_t>::max()) {
    reason->append("packs the filter, whose %lld bytes are more than kernels address", static_cast<long long>(bytes));
    return false;
  }
  for (int role = 0; role < 3 && kernel.fixed != 0; ++role) {
    const View &view = problem.view[role];
    if (view.size[0] > 1 && view.stride[0] != 1) {
      static const char *const kNames[] = {"input", "filter", "output"};
      reason->append("takes channels next to each other, the %s's are %lld elements apart", kNames[role],
                     static_cast<long long>(view.stride[0]));
      return false;
    }
  }
  return true;
}

const Kernel *choose_kernel(const Normalized &problem, const KernelTable &table, const Machine &machine,
                            const Choice &choice, const RowObserver *observer, Text *reason) {
  if (choice.kernel != nullptr) {
    for (size_t i = 0; i < table.kernel_count; ++i) {
      const Kernel &kernel = table.kernels[i];
      if (strcmp(kernel.name, choice.kernel) != 0) continue;
      return usable(*kernel.target, machine, reason) && accepts(kernel, problem, reason) ? &kernel : nullptr;
    }
    reason->append("computes another op");
    return nullptr;
  }
  for (size_t i = 0; i < table.row_count; ++i) {
    const Row &row = table.rows[i];
    const Kernel &kernel = table.kernels[row.kernel];
    Text refusal;
    const bool wins =
        row_applies(row, kernel, problem, machine, choice, &refusal) && accepts(kernel, problem, &refusal);
    if (observer != nullptr) observer->considered(observer->arg, i, kernel, wins ? nullptr : refusal.c_str());
    if (wins) return &kernel;
  }
  explain_nothing(table, machine, choice, reason);
  return nullptr;
}

}  // namespace convgrad
