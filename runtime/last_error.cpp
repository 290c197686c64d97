#include "last_error.h"

#include <cstdarg>
#include <cstdio>

namespace convgrad {

namespace {
thread_local char last_error[1024] = "";
}

void Text::append(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = vsnprintf(buffer_ + length_, sizeof buffer_ - length_, format, arguments);
  va_end(arguments);
  if (written <= 0) return;
  length_ += static_cast<size_t>(written);
  if (length_ > sizeof buffer_ - 1) length_ = sizeof buffer_ - 1;
}

Text list_text(const int64_t *values, int count) {
  Text text;
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
