// What the runtime's table says of a kernel, by names, as build_tools' Python writes it on a line.
#ifndef CONVGRAD_BUILD_TOOLS_PROBES_KERNEL_FACTS_H
#define CONVGRAD_BUILD_TOOLS_PROBES_KERNEL_FACTS_H

#include <istream>
#include <string>

#include "kernel_table.h"

namespace convgrad {

// A kernel's name and target are not among them; what is not said is 0.
struct KernelFacts {
  Kernel kernel = {};     // but for its algorithm's and its own name
  std::string algorithm;  // of the families' names
};

// Reads NAME=VALUE up to the end: algorithm, dtype, scratch_bytes, and the names of runtime/kernel_facts.inc. False:
// `text` says what is wrong.
bool read_facts(std::istream &stream, KernelFacts *facts, std::string *text);

// Where the kernel of that name in this program's tables differs, "" where nowhere.
std::string differences(const std::string &name, const KernelFacts &facts);

}  // namespace convgrad

#endif
