// AVX-512.
#include "fma_peak_loops.h"

const FmaLoops kFmaLoopsAvx512 = loops_of<64, 24>();
