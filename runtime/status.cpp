#include "api.h"

#define CONVGRAD_TEXT_OF(x) #x
#define CONVGRAD_VERSION_TEXT(major, minor, patch) \
  CONVGRAD_TEXT_OF(major) "." CONVGRAD_TEXT_OF(minor) "." CONVGRAD_TEXT_OF(patch)

const char *convgrad_status_string(convgrad_status status) {
  switch (status) {
    case CONVGRAD_OK:
      return "OK";
    case CONVGRAD_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case CONVGRAD_UNSUPPORTED:
      return "UNSUPPORTED";
    case CONVGRAD_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case CONVGRAD_DEVICE_ERROR:
      return "DEVICE_ERROR";
    case CONVGRAD_INTERNAL:
      return "INTERNAL";
  }
  return "unknown status";
}

const char *convgrad_version(void) {
  return CONVGRAD_VERSION_TEXT(CONVGRAD_VERSION_MAJOR, CONVGRAD_VERSION_MINOR, CONVGRAD_VERSION_PATCH);
}
