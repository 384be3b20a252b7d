// flags: the settings of a runtime: one row each, with its environment variable, its default and what it does.
//
// The environment is read only when the host allows it (JT_RT_ALLOW_ENV), here and nowhere else. docs/FLAGS.md is made
// from this table.
#pragma once
#include <string>
#include <string_view>

namespace jt {

//      field       variable       default  what it does
#define JT_FLAGS(X)                                                                                                    \
  X(cpu_tier, "JT_CPU_TIER", "auto",                                                                                   \
    "how kernels run: vm (interpreted blocks), tcc (libtcc), gxx (g++ or clang++, before the first run), auto "        \
    "(libtcc, then g++ for what runs long)")                                                                           \
  X(cpu_isa, "JT_CPU_ISA", "best", "instruction set of the primitives: best, base, avx2, avx512")                      \
  X(cpu_tcc, "JT_LIBTCC", "", "path of the libtcc library; empty: beside libjt.so")                                    \
  X(devices, "JT_DEVICES", "",                                                                                         \
    "devices of a runtime whose host names none, by comma: cpu, or the path of a backend's library; :1 behind it for " \
    "its second device")                                                                                               \
  X(threads, "JT_THREADS", "",                                                                                         \
    "threads that compute, the caller's included; 0: one per core; empty: what the host says")                         \
  X(cpu_grain, "JT_CPU_GRAIN", "5000", "a kernel that takes about so many nanoseconds is split over threads")          \
  X(cpu_pack_bytes, "JT_CPU_PACK_BYTES", "268435456",                                                                  \
    "bytes of unchanging operands kept in the order in which kernels read them; 0: none")                              \
  X(memory_limit, "JT_MEMORY_LIMIT", "",                                                                               \
    "bytes of values held at once, such as 512M or 2G; a limit that the host names holds instead")                     \
  X(recompute, "JT_RECOMPUTE", "0",                                                                                    \
    "1: temporaries are dropped and computed again wherever that needs less memory; 0: only where memory does not "    \
    "suffice")                                                                                                         \
  X(symbols, "JT_SYMBOLS", "1",                                                                                        \
    "1: from the second set of extents on, a plan holds for all that it can hold for; 0: each has a plan of its own")  \
  X(cpu_cxx, "JT_CXX", "",                                                                                             \
    "compiler of kernels that run long: a path, or a name on the PATH; empty: g++, else clang++; off: none")           \
  X(cpu_hot_us, "JT_CPU_HOT_US", "120000", "microseconds that a kernel runs before it is compiled again by JT_CXX")    \
  X(background, "JT_BACKGROUND", "0",                                                                                  \
    "1: compile kernels that run long on a thread of jt's own; hosts allow it with JT_RT_BACKGROUND_JIT")              \
  X(cache_dir, "JT_CACHE_DIR", "", "folder of compiled kernels; empty: $XDG_CACHE_HOME/jt or ~/.cache/jt; off: none")  \
  X(log, "JT_LOG", "", "messages on stderr: error, warning, info, debug")                                              \
  X(dump, "JT_DUMP", "",                                                                                               \
    "stages to print for each new plan: g recorded, v the same for Graphviz, s simplified, f fused, m memory, l "      \
    "programs, k where each kernel came from, c its source, p the plan")                                               \
  X(stats, "JT_STATS", "", "1: a table of kernels, counts and times when the runtime ends")                            \
  X(trace, "JT_TRACE", "", "file that gets a Chrome trace when the runtime ends")                                      \
  X(check, "JT_CHECK", "",                                                                                             \
    "empty: indices and labels out of range are errors; 0: nobody looks, and they count as 0; 1: errors, and freed "   \
    "buffers are filled with NaN bytes, to find those who read them")                                                  \
  X(seed, "JT_SEED", "", "seed of a new context; empty: another one each time")

struct Flags {
#define JT_FLAG_FIELD(field, variable, fallback, doc) std::string field = fallback;
  JT_FLAGS(JT_FLAG_FIELD)
#undef JT_FLAG_FIELD
  std::string xdg_cache_home, home, path;  // only read with the others
  bool may_read_environment = false;
};

// Defaults, overridden by the environment.
Flags flags_from_environment();
// Sets a flag by its field's name; false if there is none.
bool set_flag(Flags& flags, std::string_view field, std::string_view value);
// A flag, or `path`.
const std::string* find_flag(const Flags& flags, std::string_view field);
// A setting that no flag is, of a backend's own: "cuda.driver" is JT_CUDA_DRIVER, "CUDA_HOME" itself. Null: it is not
// set, or nobody may look.
const char* environment_setting(const Flags& flags, std::string_view name);

}  // namespace jt
