#include "support/problem.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/api.h"

namespace convgrad::test {
namespace {

using problems::parse_number;

// Replaces the word `fixed` by each filter and stride that a kernel fixes.
std::vector<std::string> expand_fixed(const std::string &line) {
  const std::string word = "fixed";
  const size_t at = line.find(word);
  if (at == std::string::npos) return {line};
  std::vector<std::string> lines;
  for (const FixedFilter &fixed : fixed_filters()) {
    std::ostringstream text;
    text << line.substr(0, at) << 'r' << fixed.filter[0] << 'x' << fixed.filter[1] << " s" << fixed.stride[0] << 'x'
         << fixed.stride[1] << line.substr(at + word.size());
    lines.push_back(text.str());
  }
  return lines;
}

// Replaces h+<number> and w+<number> by the sum of the filter's size and the number. What cannot be read stays.
std::string add_filter_size(const std::string &line) {
  std::istringstream words(line);
  std::string filter = "r1x1", result;
  std::vector<std::string> all;
  for (std::string word; words >> word;) {
    if (word[0] == 'r') filter = word;
    all.push_back(word);
  }
  const size_t cross = std::min(filter.find('x'), filter.size() - 1);
  for (std::string &word : all) {
    int64_t taps = 0, more = 0;
    const bool is_height = word.rfind("h+", 0) == 0;
    if ((is_height || word.rfind("w+", 0) == 0) &&
        parse_number(is_height ? filter.substr(1, cross - 1) : filter.substr(cross + 1), &taps) &&
        parse_number(word.substr(2), &more)) {
      word = word[0] + std::to_string(taps + more);
    }
    result += (result.empty() ? "" : " ") + word;
  }
  return result;
}

// Replaces the first range a..b or a..b/step of the line by each of its numbers.
std::vector<std::string> expand_first_range(const std::string &line) {
  const size_t dots = line.find("..");
  if (dots == std::string::npos) return {line};
  size_t begin = dots;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(line[begin - 1]))) --begin;
  char *rest = nullptr;
  const int64_t low = std::strtoll(line.c_str() + begin, nullptr, 10);
  const int64_t high = std::strtoll(line.c_str() + dots + 2, &rest, 10);
  const int64_t step = *rest == '/' ? std::strtoll(rest + 1, &rest, 10) : 1;
  std::vector<std::string> lines;
  if (begin == dots || rest == line.c_str() + dots + 2 || step < 1) return lines;
  for (int64_t i = low; i <= high; i += step) lines.push_back(line.substr(0, begin) + std::to_string(i) + rest);
  return lines;
}

// shape is in the tensor's own order.
Layout make_layout(const Problem &problem, std::array<int64_t, 4> shape, bool channels_first) {
  const int64_t gap = problem.gap, spread = problem.spread;
  Layout layout;
  layout.dtype = problem.dtype;
  layout.shape = shape;
  layout.channels_first = channels_first;
  layout.dense = gap == 0 && spread == 1;
  layout.strides[3] = spread;
  for (size_t i = 3; i-- > 0;) layout.strides[i] = layout.strides[i + 1] * std::max<int64_t>(shape[i + 1], 1) + gap;
  return layout;
}

}  // namespace

reference::Sizes sizes_of(const Problem &p) {
  const reference::Padding kind = p.padding == CONVGRAD_SAME       ? reference::Padding::kSame
                                  : p.padding == CONVGRAD_EXPLICIT ? reference::Padding::kExplicit
                                                                   : reference::Padding::kValid;
  reference::Sizes result;
  result.batch = p.batch;
  result.in_channels = p.in_channels;
  result.out_channels = p.out_channels;
  result.groups = p.groups;
  result.height = reference::resolve_axis(kind, p.in_height, p.filter_height, p.strides[0], p.dilations[0],
                                          p.explicit_paddings[0], p.explicit_paddings[1]);
  result.width = reference::resolve_axis(kind, p.in_width, p.filter_width, p.strides[1], p.dilations[1],
                                         p.explicit_paddings[2], p.explicit_paddings[3]);
  return result;
}

bool is_defined(const Problem &p) {
  const reference::Sizes s = sizes_of(p);
  return s.height.out >= 0 && s.width.out >= 0 && p.groups >= 1 && p.in_channels % p.groups == 0 &&
         p.in_channels >= 1 && p.out_channels % p.groups == 0;
}

int64_t multiply_adds(const Problem &p) {
  return sizes_of(p).output_size() * p.filter_height * p.filter_width * (p.in_channels / p.groups);
}

int64_t Layout::span() const {
  if (size() == 0) return 0;
  int64_t last = 0;
  for (size_t i = 0; i < 4; ++i) last += (shape[i] - 1) * strides[i];
  return last + 1;
}

std::vector<int64_t> Layout::offsets() const {
  const std::array<size_t, 4> order =
      channels_first ? std::array<size_t, 4>{0, 2, 3, 1} : std::array<size_t, 4>{0, 1, 2, 3};
  std::vector<int64_t> result;
  if (size() == 0) return result;  // however large the other dimensions are
  result.reserve(static_cast<size_t>(size()));
  for (int64_t a = 0; a < shape[order[0]]; ++a) {
    for (int64_t b = 0; b < shape[order[1]]; ++b) {
      for (int64_t c = 0; c < shape[order[2]]; ++c) {
        const int64_t base = a * strides[order[0]] + b * strides[order[1]] + c * strides[order[2]];
        for (int64_t d = 0; d < shape[order[3]]; ++d) result.push_back(base + d * strides[order[3]]);
      }
    }
  }
  return result;
}

convgrad_tensor Layout::tensor(void *data) const {
  convgrad_tensor result = {};
  result.data = data;
  result.dtype = dtype;
  result.memory = CONVGRAD_HOST;
  for (size_t i = 0; i < 4; ++i) {
    result.shape[i] = shape[i];
    if (!dense) result.strides[i] = strides[i];
  }
  return result;
}

Layouts layouts_of(const Problem &problem) {
  const reference::Sizes s = sizes_of(problem);
  const bool channels_first = problem.data_format == CONVGRAD_NCHW;
  const auto image = [&](int64_t height, int64_t width, int64_t channels) {
    const std::array<int64_t, 4> shape = channels_first
                                             ? std::array<int64_t, 4>{problem.batch, channels, height, width}
                                             : std::array<int64_t, 4>{problem.batch, height, width, channels};
    return make_layout(problem, shape, channels_first);
  };
  const Layout input = image(problem.in_height, problem.in_width, problem.in_channels);
  const Layout output = image(s.height.out, s.width.out, problem.out_channels);
  const Layout filter = make_layout(
      problem,
      {problem.filter_height, problem.filter_width, problem.in_channels / problem.groups, problem.out_channels}, false);
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      return {input, filter, output};
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return {filter, output, input};
    default:
      return {input, output, filter};
  }
}

std::vector<Problem> expand_shapes(const std::string &line, std::string *error) {
  // Filters change slowest, so that one problem in so many of a list is one in so many for each filter.
  std::vector<std::string> lines = expand_fixed(line);
  if (lines.empty()) return {};
  while (!lines.empty() && lines.front().find("..") != std::string::npos) {
    std::vector<std::string> expanded;
    for (const std::string &one : lines) {
      for (std::string &other : expand_first_range(one)) expanded.push_back(std::move(other));
    }
    lines = std::move(expanded);
  }
  std::vector<Problem> problems;
  for (const std::string &one : lines) {
    const bool all = one.rfind("all ", 0) == 0;
    for (convgrad_op op = 0; op < (all ? problems::kOps : 1); ++op) {
      const std::string text = add_filter_size(all ? op_name(op) + one.substr(3) : one);
      const std::optional<Problem> problem = parse_problem(text, error);
      if (!problem) return {};
      if (!is_defined(*problem)) {
        *error = "not a defined convolution: '" + text + "'";
        return {};
      }
      problems.push_back(*problem);
    }
  }
  if (problems.empty()) *error = "an empty range in '" + line + "'";
  return problems;
}

std::vector<Problem> expand_all(const std::vector<std::string> &lines) {
  std::vector<Problem> problems;
  for (const std::string &line : lines) {
    std::string error;
    const std::vector<Problem> expanded = expand_shapes(line, &error);
    if (!error.empty()) {
      std::fprintf(stderr, "%s\n", error.c_str());
      std::abort();
    }
    problems.insert(problems.end(), expanded.begin(), expanded.end());
  }
  return problems;
}

std::vector<Problem> in_each_dtype(const std::vector<Problem> &problems) {
  std::vector<Problem> result;
  for (const convgrad_dtype dtype : all_dtypes()) {
    for (Problem problem : problems) {
      problem.dtype = dtype;
      result.push_back(problem);
    }
  }
  return result;
}

std::vector<Problem> load_shapes(const std::string &name) {
  const std::string path = std::string(CONVGRAD_SHAPES_DIR) + "/" + name;
  std::ifstream file(path);
  std::vector<Problem> problems;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    line.erase(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    std::string error;
    const std::vector<Problem> expanded = expand_shapes(line, &error);
    if (!error.empty()) {
      std::fprintf(stderr, "%s:%d: %s\n", path.c_str(), number, error.c_str());
      std::abort();
    }
    problems.insert(problems.end(), expanded.begin(), expanded.end());
  }
  if (problems.empty()) {
    std::fprintf(stderr, "%s: no problems\n", path.c_str());
    std::abort();
  }
  return problems;
}

}  // namespace convgrad::test
