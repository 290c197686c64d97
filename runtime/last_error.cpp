#include "last_error.h"

#include <cstdio>

namespace convgrad {

namespace {
thread_local char last_error[1024] = "";
}

void append_to(char *buffer, size_t capacity, size_t *length, const char *format, va_list arguments) {
  const int written = vsnprintf(buffer + *length, capacity - *length, format, arguments);
  if (written <= 0) return;
  *length += static_cast<size_t>(written);
  if (*length > capacity - 1) *length = capacity - 1;
}

ListText list_text(const int64_t *values, int count) {
  ListText text;
  for (int i = 0; i < count; ++i) text.append("%s%lld", i == 0 ? "[" : ",", static_cast<long long>(values[i]));
  text.append("]");
  return text;
}

convgrad_status fail(convgrad_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace convgrad

const char *convgrad_last_error(void) { return convgrad::last_error; }
