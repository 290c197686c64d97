#include "problem/problem.h"

#include <charconv>
#include <iterator>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

namespace convgrad::problems {
namespace {

enum Role { INPUT, FILTER, OUTPUT };

struct Op {
  const char *name;
  Role role[3];
};
constexpr Op ops[] = {
#define CONVGRAD_OP(constant, name, first, first_role, second, second_role, result, result_role) \
  {#name, {first_role, second_role, result_role}},
#include "../runtime/ops.inc"
#undef CONVGRAD_OP
};
static_assert(std::size(ops) == kOps);

// Of 16-bit types, which C++17 has no names for, by hand.
constexpr int mantissa_bits_of(convgrad_dtype dtype) {
  switch (dtype) {
    case CONVGRAD_FLOAT64:
      return 53;
    case CONVGRAD_FLOAT16:
      return 11;
    case CONVGRAD_BFLOAT16:
      return 8;
    default:
      return 24;
  }
}

constexpr Dtype dtypes[] = {
#define CONVGRAD_DTYPE(constant, name, halide, storage, accumulator, bytes, eps) \
  {CONVGRAD_##constant, #name, #constant, bytes, mantissa_bits_of(CONVGRAD_##constant), eps},
#include "../runtime/dtypes.inc"
#undef CONVGRAD_DTYPE
};
static_assert(std::size(dtypes) == kDtypes);

// A word of numbers: its first letters, then the numbers with a separator between them.
struct Field {
  const char *prefix;
  char separator;
  std::vector<int64_t *> values;
  const char *form;
};

// A prefix that begins with another one comes before it.
std::vector<Field> fields_of(Problem *p) {
  return {{"gap", ',', {&p->gap}, "gap<elements>"},
          {"spread", ',', {&p->spread}, "spread<stride>"},
          {"n", ',', {&p->batch}, "n<images>"},
          {"h", ',', {&p->in_height}, "h<rows>"},
          {"w", ',', {&p->in_width}, "w<columns>"},
          {"c", ',', {&p->in_channels}, "c<input channels>"},
          {"r", 'x', {&p->filter_height, &p->filter_width}, "r<rows>x<columns>"},
          {"k", ',', {&p->out_channels}, "k<output channels>"},
          {"s", 'x', {&p->strides[0], &p->strides[1]}, "s<rows>x<columns>"},
          {"d", 'x', {&p->dilations[0], &p->dilations[1]}, "d<rows>x<columns>"},
          {"p",
           ',',
           {&p->explicit_paddings[0], &p->explicit_paddings[1], &p->explicit_paddings[2], &p->explicit_paddings[3]},
           "pSAME, pVALID or p<top>,<bottom>,<left>,<right>"},
          {"g", ',', {&p->groups}, "g<groups>"}};
}

// False where the text is not exactly as many numbers.
bool parse_numbers(const std::string &text, char separator, const std::vector<int64_t *> &values) {
  size_t begin = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool last = i + 1 == values.size();
    const size_t end = last ? text.size() : text.find(separator, begin);
    if (end == std::string::npos || !parse_number(text.substr(begin, end - begin), values[i])) return false;
    begin = end + 1;
  }
  return true;
}

template <typename Table>
std::string names_of(const Table &table) {
  std::string names;
  for (const auto &entry : table) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

// Reads a word behind the op. False: what was expected. `kind` becomes what must not come twice.
bool parse_word(const std::string &word, Problem *problem, std::string *kind, std::string *expected) {
  if (word == "NHWC" || word == "NCHW") {
    problem->data_format = word == "NHWC" ? CONVGRAD_NHWC : CONVGRAD_NCHW;
    *kind = "a data format";
    return true;
  }
  if (const std::optional<convgrad_dtype> dtype = dtype_of_name(word)) {
    problem->dtype = *dtype;
    *kind = "an element type";
    return true;
  }
  for (const Field &field : fields_of(problem)) {
    if (word.rfind(field.prefix, 0) != 0) continue;
    *kind = field.prefix;
    if (word == "pSAME" || word == "pVALID") {
      problem->padding = word == "pSAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
      return true;
    }
    if (*kind == "p") problem->padding = CONVGRAD_EXPLICIT;
    *expected = field.form;
    return parse_numbers(word.substr(kind->size()), field.separator, field.values);
  }
  *expected = "an element type (" + names_of(dtypes) + "), NHWC, NCHW";
  for (const Field &field : fields_of(problem)) *expected += std::string(", ") + field.form;
  return false;
}

auto all_fields(const Problem &p) {
  return std::tie(p.op, p.dtype, p.batch, p.in_height, p.in_width, p.in_channels, p.filter_height, p.filter_width,
                  p.out_channels, p.groups, p.strides, p.dilations, p.padding, p.explicit_paddings, p.data_format,
                  p.gap, p.spread);
}

}  // namespace

const Shape &Shapes::argument(convgrad_op op, int index) const {
  const Role role = ops[op].role[index];
  return role == INPUT ? input : role == FILTER ? filter : output;
}

std::string Problem::to_string() const {
  std::ostringstream out;
  out << op_name(op) << ' ' << dtype_info(dtype).name << " n" << batch << " h" << in_height << " w" << in_width << " c"
      << in_channels << " r" << filter_height << 'x' << filter_width << " k" << out_channels << " s" << strides[0]
      << 'x' << strides[1] << " d" << dilations[0] << 'x' << dilations[1] << " p";
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

Shape Problem::input_shape() const {
  if (data_format == CONVGRAD_NCHW) return {batch, in_channels, in_height, in_width};
  return {batch, in_height, in_width, in_channels};
}

Shape Problem::filter_shape() const {
  return {filter_height, filter_width, groups == 0 ? 0 : in_channels / groups, out_channels};
}

std::optional<Shapes> Problem::shapes(std::string *error) const {
  Shapes result = {input_shape(), filter_shape(), {}};
  const convgrad_conv2d_attrs attributes = attrs();
  if (convgrad_conv2d_output_shape(&attributes, result.input.data(), result.filter.data(), result.output.data()) !=
      CONVGRAD_OK) {
    *error = convgrad_last_error();
    return std::nullopt;
  }
  return result;
}

bool operator==(const Problem &a, const Problem &b) { return all_fields(a) == all_fields(b); }

std::optional<Problem> parse_problem(const std::string &text, std::string *error) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  const auto fail = [&](const std::string &reason) {
    *error = "'" + word + "' of the problem '" + text + "': " + reason;
    return std::nullopt;
  };
  Problem problem;
  const std::optional<convgrad_op> op = op_of_name(word);
  if (!op) return fail("expected an op first: " + names_of(ops));
  problem.op = *op;
  std::set<std::string> seen;
  std::string groups = "g";
  while (words >> word) {
    std::string kind, expected;
    if (!parse_word(word, &problem, &kind, &expected)) return fail("expected " + expected);
    if (!seen.insert(kind).second) return fail(kind + " was given before");
    if (kind == "g") groups = word;
  }
  if (problem.groups < 1 || problem.in_channels % problem.groups != 0) {
    word = groups;
    return fail("expected a divisor of c, which is " + std::to_string(problem.in_channels));
  }
  return problem;
}

bool parse_number(const std::string &text, int64_t *value) {
  const char *const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

const char *op_name(convgrad_op op) { return op >= 0 && op < kOps ? ops[op].name : "unknown"; }

std::optional<convgrad_op> op_of_name(const std::string &name) {
  for (int op = 0; op < kOps; ++op) {
    if (name == ops[op].name) return static_cast<convgrad_op>(op);
  }
  return std::nullopt;
}

const Dtype &dtype_info(convgrad_dtype dtype) { return dtypes[dtype]; }

std::optional<convgrad_dtype> dtype_of_name(const std::string &name) {
  for (const Dtype &dtype : dtypes) {
    if (name == dtype.name) return dtype.dtype;
  }
  return std::nullopt;
}

}  // namespace convgrad::problems
