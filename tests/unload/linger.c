/* Loaded last, so that its destructor runs last when the process ends: until then calls in other threads go on. */
#include <unistd.h>

__attribute__((destructor)) static void linger(void) { usleep(2000); }
