# Sourced by the commands: installs what is missing and puts the pinned tools on PATH. Cheap when nothing is missing.
#   need_packages PACKAGE...   Debian packages that the command needs; installs them with apt-get as root
#   need_tools                 CMake, Ninja and Halide of requirements.txt in build/env
#   configure PRESET [ARG...]  runs CMake
#   need_generator             the executable that compiles kernels: CONVGRAD_GENERATOR
#   need_arm                   what cross-compiles for 64-bit ARM and runs that; false on a machine that is ARM itself
# After need_tools HALIDE_ROOT and JOBS are set.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
JOBS=$(nproc)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# PoCL aborts where there is no /sys, as in a folder that is a root of its own, unless it is told how many CPUs there are.
[ -d /sys/devices/system/cpu ] || export HWLOC_SYNTHETIC="pu:$JOBS" HWLOC_THISSYSTEM=1

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || die "please install these Debian packages, or what they are called here: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || die "please run: sudo apt-get install ${missing[*]}"
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$BUILD/apt.log" 2>&1 ||
    { tail -n 20 "$BUILD/apt.log" >&2; die "apt-get could not install ${missing[*]} (all of its output: $BUILD/apt.log)"; }
}

# need_python_environment DIR REQUIREMENTS [PIP OPTION...]: a virtual environment with these packages, made anew when the
# file, Python or the folder is another.
need_python_environment() {
  local dir=$1 requirements=$2 made_of
  shift 2
  made_of=$(echo "$dir, $(python3 -VV)"; cat "$requirements")
  [ "$made_of" = "$(cat "$dir/made_of" 2>/dev/null)" ] && return
  echo "Making $dir (from $(basename "$(dirname "$requirements")")/$(basename "$requirements"))"
  rm -rf "$dir"
  python3 -m venv "$dir" || die "python3 -m venv failed: please install python3-venv"
  "$dir/bin/pip" install --quiet --requirement "$requirements" "$@" ||
    die "pip could not install $requirements: is PyPI (or a mirror) within reach, and does it have them for $(python3 -V)?"
  echo "$made_of" >"$dir/made_of"
}

need_tools() {
  mkdir -p "$BUILD"
  need_packages g++ python3 python3-venv binutils
  need_python_environment "$BUILD/env" "$ROOT/build_tools/requirements.txt" --no-deps
  export PATH=$BUILD/env/bin:$PATH
  HALIDE_ROOT=$("$BUILD/env/bin/python3" -c 'import importlib.util as u; print(u.find_spec("halide").submodule_search_locations[0])')
}

need_arm() {
  [ "$(uname -m)" = x86_64 ] || return 1
  need_packages g++-aarch64-linux-gnu qemu-user
}

# The generator that the release build has made, or makes.
build_generator() {
  cmake --build "$BUILD/release" --target convgrad_generator -j "$JOBS" >"$BUILD/generator.log" ||
    die "the generator could not be built (see $BUILD/generator.log)"
}

# Sets CONVGRAD_GENERATOR, unless it names a generator that is there already.
need_generator() {
  [ -z "${CONVGRAD_GENERATOR:-}" ] || return 0
  configure release >/dev/null
  build_generator
  CONVGRAD_GENERATOR=$BUILD/release/generators/convgrad_generator
}

configure_arm() {
  build_generator
  configure aarch64-linux -DCONVGRAD_GENERATOR="$BUILD/release/generators/convgrad_generator" "$@"
}

configure() {
  local preset=$1
  shift
  # The packages inside the wheel; those at the environment's top ask for Python's headers too.
  local log=$BUILD/configure-$preset.log
  (cd "$ROOT" && cmake --preset "$preset" -DHalide_DIR="$HALIDE_ROOT/lib64/cmake/Halide" \
    -DHalideHelpers_DIR="$HALIDE_ROOT/lib64/cmake/HalideHelpers" \
    -DPython3_EXECUTABLE="$BUILD/env/bin/python3" "$@") >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; die "CMake could not configure (all of its output: $log)"; }
  grep -m1 "kernels in" "$log" | sed 's/^-- //; s/:$/, listed in '"${log//\//\\/}"'/'
}

# kernel_objects PRESET: adds to the array `objects` the library's kernels. The folder may hold those of earlier builds too.
kernel_objects() {
  local kernel
  for kernel in $(sed -n 's/^set(CONVGRAD_KERNELS \(.*\))$/\1/p' "$BUILD/$1/tables/library/kernels.cmake"); do
    objects+=("$BUILD/$1/kernels/$kernel.o")
  done
}
