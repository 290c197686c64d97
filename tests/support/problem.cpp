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

constexpr convgrad_op kOps[] = {CONVGRAD_OP_CONV2D, CONVGRAD_OP_CONV2D_BACKPROP_INPUT,
                                CONVGRAD_OP_CONV2D_BACKPROP_FILTER};

// The numbers of text, which are separated by `separator`; empty where it is not exactly `count` of them.
std::vector<int64_t> parse_numbers(const std::string &text, char separator, size_t count) {
  std::vector<int64_t> numbers;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    char *rest = nullptr;
    const int64_t value = std::strtoll(part.c_str(), &rest, 10);
    if (part.empty() || *rest != '\0') return {};
    numbers.push_back(value);
    begin = end + 1;
  }
  return numbers.size() == count ? numbers : std::vector<int64_t>{};
}

bool parse_pair(const std::string &text, int64_t *first, int64_t *second) {
  const std::vector<int64_t> numbers = parse_numbers(text, 'x', 2);
  if (numbers.empty()) return false;
  *first = numbers[0];
  *second = numbers[1];
  return true;
}

bool parse_one(const std::string &text, int64_t *value) {
  const std::vector<int64_t> numbers = parse_numbers(text, ',', 1);
  if (numbers.empty()) return false;
  *value = numbers[0];
  return true;
}

bool parse_padding(const std::string &text, Problem *problem) {
  if (text == "SAME" || text == "VALID") {
    problem->padding = text == "SAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
    return true;
  }
  const std::vector<int64_t> numbers = parse_numbers(text, ',', 4);
  if (numbers.empty()) return false;
  problem->padding = CONVGRAD_EXPLICIT;
  for (size_t i = 0; i < 4; ++i) problem->explicit_paddings[i] = numbers[i];
  return true;
}

bool parse_token(const std::string &token, Problem *problem) {
  if (token == "NHWC" || token == "NCHW") {
    problem->data_format = token == "NHWC" ? CONVGRAD_NHWC : CONVGRAD_NCHW;
    return true;
  }
  if (token.rfind("gap", 0) == 0) return parse_one(token.substr(3), &problem->gap);
  if (token.rfind("spread", 0) == 0) return parse_one(token.substr(6), &problem->spread);
  const std::string value = token.substr(1);
  switch (token[0]) {
    case 'n':
      return parse_one(value, &problem->batch);
    case 'h':
      return parse_one(value, &problem->in_height);
    case 'w':
      return parse_one(value, &problem->in_width);
    case 'c':
      return parse_one(value, &problem->in_channels);
    case 'k':
      return parse_one(value, &problem->out_channels);
    case 'g':
      return parse_one(value, &problem->groups);
    case 'r':
      return parse_pair(value, &problem->filter_height, &problem->filter_width);
    case 's':
      return parse_pair(value, &problem->strides[0], &problem->strides[1]);
    case 'd':
      return parse_pair(value, &problem->dilations[0], &problem->dilations[1]);
    case 'p':
      return parse_padding(value, problem);
    default:
      return false;
  }
}

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

// Replaces h+<number> and w+<number> by the sum of the filter's size and the number.
bool add_filter_size(const std::string &word, Problem *problem) {
  int64_t more = 0;
  if (!parse_one(word.substr(2), &more)) return false;
  if (word[0] == 'h') {
    problem->in_height = problem->filter_height + more;
  } else {
    problem->in_width = problem->filter_width + more;
  }
  return true;
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
Layout make_layout(std::array<int64_t, 4> shape, bool channels_first, int64_t gap, int64_t spread) {
  Layout layout;
  layout.shape = shape;
  layout.channels_first = channels_first;
  layout.dense = gap == 0 && spread == 1;
  layout.strides[3] = spread;
  for (size_t i = 3; i-- > 0;) layout.strides[i] = layout.strides[i + 1] * std::max<int64_t>(shape[i + 1], 1) + gap;
  return layout;
}

}  // namespace

const char *op_name(convgrad_op op) {
  switch (op) {
    case CONVGRAD_OP_CONV2D:
      return "conv2d";
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return "backprop_input";
    case CONVGRAD_OP_CONV2D_BACKPROP_FILTER:
      return "backprop_filter";
    default:
      return "unknown_op";
  }
}

std::string Problem::to_string() const {
  std::ostringstream out;
  out << op_name(op) << " n" << batch << " h" << in_height << " w" << in_width << " c" << in_channels << " r"
      << filter_height << 'x' << filter_width << " k" << out_channels << " s" << strides[0] << 'x' << strides[1] << " d"
      << dilations[0] << 'x' << dilations[1] << " p";
  if (padding == CONVGRAD_EXPLICIT) {
    out << explicit_paddings[0] << ',' << explicit_paddings[1] << ',' << explicit_paddings[2] << ','
        << explicit_paddings[3];
  } else {
    out << (padding == CONVGRAD_SAME ? "SAME" : "VALID");
  }
  out << " g" << groups << (data_format == CONVGRAD_NHWC ? " NHWC" : " NCHW");
  if (gap != 0) out << " gap" << gap;
  if (spread != 1) out << " spread" << spread;
  return out.str();
}

reference::Sizes Problem::sizes() const {
  const reference::Padding kind = padding == CONVGRAD_SAME       ? reference::Padding::kSame
                                  : padding == CONVGRAD_EXPLICIT ? reference::Padding::kExplicit
                                                                 : reference::Padding::kValid;
  reference::Sizes result;
  result.batch = batch;
  result.in_channels = in_channels;
  result.out_channels = out_channels;
  result.groups = groups;
  result.height = reference::resolve_axis(kind, in_height, filter_height, strides[0], dilations[0],
                                          explicit_paddings[0], explicit_paddings[1]);
  result.width = reference::resolve_axis(kind, in_width, filter_width, strides[1], dilations[1], explicit_paddings[2],
                                         explicit_paddings[3]);
  return result;
}

bool Problem::is_defined() const {
  const reference::Sizes s = sizes();
  return s.height.out >= 0 && s.width.out >= 0 && groups >= 1 && in_channels % groups == 0 && in_channels >= 1 &&
         out_channels % groups == 0;
}

int64_t Problem::multiply_adds() const {
  const reference::Sizes s = sizes();
  return s.output_size() * filter_height * filter_width * (in_channels / groups);
}

convgrad_conv2d_attrs Problem::attrs() const {
  convgrad_conv2d_attrs result = convgrad_conv2d_attrs_default();
  for (size_t i = 0; i < 2; ++i) {
    result.strides[i] = strides[i];
    result.dilations[i] = dilations[i];
  }
  for (size_t i = 0; i < 4; ++i) result.explicit_paddings[i] = explicit_paddings[i];
  result.padding = padding;
  result.data_format = data_format;
  return result;
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
  result.dtype = CONVGRAD_FLOAT32;
  result.memory = CONVGRAD_HOST;
  for (size_t i = 0; i < 4; ++i) {
    result.shape[i] = shape[i];
    if (!dense) result.strides[i] = strides[i];
  }
  return result;
}

Layouts layouts_of(const Problem &problem) {
  const reference::Sizes s = problem.sizes();
  const bool channels_first = problem.data_format == CONVGRAD_NCHW;
  const auto image = [&](int64_t height, int64_t width, int64_t channels) {
    const std::array<int64_t, 4> shape = channels_first
                                             ? std::array<int64_t, 4>{problem.batch, channels, height, width}
                                             : std::array<int64_t, 4>{problem.batch, height, width, channels};
    return make_layout(shape, channels_first, problem.gap, problem.spread);
  };
  const Layout input = image(problem.in_height, problem.in_width, problem.in_channels);
  const Layout output = image(s.height.out, s.width.out, problem.out_channels);
  const Layout filter = make_layout(
      {problem.filter_height, problem.filter_width, problem.in_channels / problem.groups, problem.out_channels}, false,
      problem.gap, problem.spread);
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      return {input, filter, output};
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return {filter, output, input};
    default:
      return {input, output, filter};
  }
}

std::optional<Problem> parse_problem(const std::string &line, std::string *error) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  Problem problem;
  bool known = false;
  for (convgrad_op op : kOps) {
    if (word == op_name(op)) {
      problem.op = op;
      known = true;
    }
  }
  if (!known) {
    *error = "no such op: '" + word + "'";
    return std::nullopt;
  }
  std::vector<std::string> relative;  // read last, when the filter is known
  while (words >> word) {
    if (word.rfind("h+", 0) == 0 || word.rfind("w+", 0) == 0) {
      relative.push_back(word);
    } else if (!parse_token(word, &problem)) {
      *error = "cannot read '" + word + "' of '" + line + "'";
      return std::nullopt;
    }
  }
  for (const std::string &sum : relative) {
    if (!add_filter_size(sum, &problem)) {
      *error = "cannot read '" + sum + "' of '" + line + "'";
      return std::nullopt;
    }
  }
  if (!problem.is_defined()) {
    *error = "not a defined convolution: '" + line + "'";
    return std::nullopt;
  }
  return problem;
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
    for (convgrad_op op : kOps) {
      if (!all && op != kOps[0]) break;
      const std::optional<Problem> problem = parse_problem(all ? op_name(op) + one.substr(3) : one, error);
      if (!problem) return {};
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
