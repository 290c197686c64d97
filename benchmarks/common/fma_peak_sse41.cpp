// SSE has no fused multiply-add: a multiplication and an addition.
#include "fma_peak_loops.h"

const FmaLoops kFmaLoopsSse41 = loops_of<16, 14>();
