file(SIZE ${LIBRARY} bytes)
math(EXPR kilobytes "${bytes} / 1024")
cmake_path(GET LIBRARY FILENAME name)
message("${name}: ${KERNELS} kernels, ${kilobytes} KiB")
