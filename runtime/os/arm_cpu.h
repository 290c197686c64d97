// What the operating system tells of an ARM CPU: a program may not ask the CPU itself.
#ifndef CONVGRAD_RUNTIME_OS_ARM_CPU_H
#define CONVGRAD_RUNTIME_OS_ARM_CPU_H

#include <cstdint>

namespace convgrad {

// A mask of hardware.h's features.
uint64_t arm_features();

// MIDR_EL1 of the first CPU, whichever this thread runs on: where a machine has two kinds, every process and every
// thread has to choose the same kernels. 0: not known.
uint64_t midr_of_first_cpu();

}  // namespace convgrad

#endif
