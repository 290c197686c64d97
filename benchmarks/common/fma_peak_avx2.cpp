// AVX2 with FMA.
#include "fma_peak_loops.h"

const FmaLoops kFmaLoopsAvx2 = loops_of<32, 14>();
