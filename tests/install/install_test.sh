#!/bin/sh
# Installs a build into a fresh prefix, moves the prefix, and builds and runs an outside program against it, twice:
# install_test.sh CMAKE BUILD_DIR LIBDIR VERSION
set -eu
cmake=$1 build=$2 libdir=$3 version=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() {
  echo "install_test: $*" >&2
  exit 1
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; die "cmake --install failed"; }
# A prefix that was moved, to a path with a space, still works.
prefix="$work/a prefix"
mv "$work/first" "$prefix"

mkdir "$work/outside"
cat >"$work/outside/main.c" <<'C'
#include <jt/jt_base.h>
#include <stdio.h>
int main(void) {
  puts(jt_version());
  return 0;
}
C
cat >"$work/outside/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(outside C)
find_package(jt REQUIRED)
add_executable(outside main.c)
target_link_libraries(outside PRIVATE jt::jt)
CMAKE

"$cmake" -G Ninja -S "$work/outside" -B "$work/outside/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 &&
  "$cmake" --build "$work/outside/build" >>"$work/log" 2>&1 || { cat "$work/log"; die "the find_package project did not build"; }
said=$("$work/outside/build/outside")
[ "$said" = "$version" ] || die "find_package: the program says '$said', expected '$version'"

command -v pkg-config >/dev/null || die "pkg-config is not installed"
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
[ "$(pkg-config --modversion jt)" = "$version" ] || die "pkg-config says another version than '$version'"
# eval: pkg-config quotes the space in the path for a shell.
eval "${CC:-cc} -Wall -Werror '$work/outside/main.c' $(pkg-config --cflags --libs jt) -o '$work/outside/by_pkg_config'"
said=$(LD_LIBRARY_PATH="$prefix/$libdir" "$work/outside/by_pkg_config")
[ "$said" = "$version" ] || die "pkg-config: the program says '$said', expected '$version'"

echo "install_test: find_package and pkg-config both give $version"
