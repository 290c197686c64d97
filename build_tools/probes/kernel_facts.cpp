#include "kernel_facts.h"

#include <cstring>
#include <sstream>
#include <type_traits>

#include "problem.h"

namespace convgrad {
namespace {

struct Fact {
  const char *name;
  void (*set)(Kernel *kernel, double value);
  double (*get)(const Kernel &kernel);
};

constexpr Fact kFacts[] = {
#define CONVGRAD_KERNEL_FACT(fact, meaning)                                                                       \
  {#fact,                                                                                                         \
   [](Kernel *kernel, double value) { kernel->fact = static_cast<std::decay_t<decltype(kernel->fact)>>(value); }, \
   [](const Kernel &kernel) { return static_cast<double>(kernel.fact); }},
#include "kernel_facts.inc"
#undef CONVGRAD_KERNEL_FACT
    {"scratch_bytes", [](Kernel *kernel, double value) { kernel->scratch_bytes = static_cast<size_t>(value); },
     [](const Kernel &) { return 0.0; }},  // a table without kernels does not know
};

bool set_dtype(const std::string &name, Kernel *kernel) {
#define CONVGRAD_DTYPE(constant, short_name, ...) \
  if (name == #short_name) {                      \
    kernel->dtype = CONVGRAD_##constant;          \
    return true;                                  \
  }
#include "dtypes.inc"
#undef CONVGRAD_DTYPE
  return false;
}

bool set(const std::string &name, const std::string &value, KernelFacts *facts) {
  if (name == "algorithm") {
    facts->algorithm = value;
    return true;
  }
  if (name == "dtype") return set_dtype(value, &facts->kernel);
  char *end;
  const double number = strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0') return false;
  for (const Fact &fact : kFacts) {
    if (name != fact.name) continue;
    fact.set(&facts->kernel, number);
    return true;
  }
  return false;
}

}  // namespace

bool read_facts(std::istream &stream, KernelFacts *facts, std::string *text) {
  for (std::string word; stream >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || !set(word.substr(0, equals), word.substr(equals + 1), facts)) {
      *text =
          "expected algorithm, dtype, scratch_bytes or a fact of runtime/kernel_facts.inc, and its value, not " + word;
      return false;
    }
  }
  return true;
}

std::string differences(const std::string &name, const KernelFacts &facts) {
  const Kernel *known = nullptr;
  for (const KernelTable *table : {&conv2d_table, &conv2d_backprop_input_table, &conv2d_backprop_filter_table}) {
    for (size_t i = 0; i < table->kernel_count; ++i) {
      if (name == table->kernels[i].name) known = &table->kernels[i];
    }
  }
  if (known == nullptr) return "no table has it";
  std::ostringstream text;
  if (facts.algorithm != known->algorithm) text << " algorithm " << facts.algorithm << " (" << known->algorithm << ")";
  if (facts.kernel.dtype != known->dtype) text << " dtype";
  for (const Fact &fact : kFacts) {
    if (strcmp(fact.name, "scratch_bytes") == 0) continue;
    const double read = fact.get(facts.kernel), in_table = fact.get(*known);
    if (read != in_table) text << " " << fact.name << " " << read << " (" << in_table << ")";
  }
  return text.str();
}

}  // namespace convgrad
