#include "backends/cpu_tcc/tier/cxx_compiler.h"

#include <sys/stat.h>
#include <unistd.h>

#include "backends/cpu_tcc/tier/render_gxx.h"
#include "core/base/status.h"
#include "core/base/text.h"

namespace jt::cpu {

namespace {

// The instructions of vm's primitives of that level.
std::vector<std::string> level_options(vm::Isa isa) {
  std::vector<std::string> options = {"-march=x86-64"};
  if (isa == vm::Isa::base) return options;
  options.insert(options.end(), {"-mavx2", "-mfma", "-mf16c"});
  if (isa == vm::Isa::avx512)
    options.insert(options.end(), {"-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"});
  return options;
}

// No option may change a bit: nothing is contracted or reassociated, integers wrap, memory is what it is.
const char* const kOptions[] = {"-x",
                                "c++",
                                "-std=c++17",
                                "-O3",
                                "-w",
                                "-c",
                                "-ffp-contract=off",
                                "-fno-math-errno",
                                "-fno-trapping-math",
                                "-fwrapv",
                                "-fno-strict-aliasing",
                                "-fno-exceptions",
                                "-fno-rtti",
                                "-fno-asynchronous-unwind-tables",
                                "-fno-stack-protector",
                                "-fcf-protection=none",
                                "-fPIC",
                                "-fvisibility=hidden",
                                "-ffunction-sections",
                                "-fomit-frame-pointer"};
// A clamp of an argument to a constant would be made a path of its own, and each step of it a selection
// (-fthread-jumps).
const char* const kGccOptions[] = {"-pipe", "-fno-thread-jumps", "-fno-tree-loop-distribute-patterns",
                                   "--param=vect-epilogues-nomask=0"};
const char* const kClangOptions[] = {"-fno-builtin-memset", "-fno-builtin-memcpy", "-fno-builtin-memset_pattern16"};

bool is_executable_file(const std::string& path, struct stat* about) {
  return stat(path.c_str(), about) == 0 && S_ISREG(about->st_mode) && access(path.c_str(), X_OK) == 0;
}

// Absolute path of a program; empty if there is none.
std::string find_program(std::string_view name, std::string_view search_path, struct stat* about) {
  if (name.find('/') != name.npos)
    return name.starts_with('/') && is_executable_file(std::string(name), about) ? std::string(name) : "";
  while (!search_path.empty()) {
    std::string_view folder = search_path.substr(0, search_path.find(':'));
    search_path.remove_prefix(std::min(folder.size() + 1, search_path.size()));
    if (!folder.starts_with('/')) continue;
    std::string path = text(folder, "/", name);
    if (is_executable_file(path, about)) return path;
  }
  return "";
}

std::string first_line(const std::string& said) {
  size_t at = said.find("error");
  size_t begin = at == said.npos ? 0 : said.rfind('\n', at) + 1;
  return said.substr(begin, said.find('\n', begin) - begin);
}

}  // namespace

std::unique_ptr<CxxCompiler> CxxCompiler::find(std::string_view wanted, std::string_view search_path, vm::Isa isa,
                                               std::string* why_not) {
  struct stat about {};
  std::string path;
  if (!wanted.empty()) {
    path = find_program(wanted, search_path, &about);
  } else {
    for (const char* name : {"g++", "clang++"})
      if (path.empty()) path = find_program(name, search_path, &about);
  }
  if (path.empty()) {
    *why_not = wanted.empty() ? "neither g++ nor clang++ is on the PATH" : text("'", wanted, "' is no program");
    return nullptr;
  }
  auto compiler = std::make_unique<CxxCompiler>();
  compiler->isa_ = isa;
  Command& command = compiler->command_;
  command.program = path;
  command.arguments.assign(std::begin(kOptions), std::end(kOptions));
  bool is_clang = path.find("clang", path.rfind('/') + 1) != path.npos;
  if (is_clang) command.arguments.insert(command.arguments.end(), std::begin(kClangOptions), std::end(kClangOptions));
  else command.arguments.insert(command.arguments.end(), std::begin(kGccOptions), std::end(kGccOptions));
  for (std::string& option : level_options(isa)) command.arguments.push_back(std::move(option));
  command.arguments.insert(command.arguments.end(), {"-o", kResultPath, "-"});
  command.environment = {text("PATH=", search_path), "LC_ALL=C"};
  // Another version is another file: asking the compiler for its version would cost more than reading a kernel from the
  // disk.
  compiler->identity_ = text(path, " ", about.st_size, " ", about.st_mtim.tv_sec, ".", about.st_mtim.tv_nsec);
  for (const std::string& option : command.arguments) append(compiler->identity_, " " + option);
  return compiler;
}

std::vector<ObjectCode> CxxCompiler::compile(const std::vector<const Program*>& programs, bool is_background,
                                             Stop& stop, std::string* why, const ProcessSystem& system) const {
  auto note = [why](const std::string& line) {
    if (why->empty()) *why = line;
  };
  Command command = command_;
  command.is_background = is_background;
  Outcome outcome = run_command(command, render_gxx(programs, isa_), stop, system);
  if (!outcome.is_ok) {
    note(text(outcome.why, outcome.said.empty() ? "" : ": ", first_line(outcome.said)));
    // One program should not cost the others theirs.
    bool may_split = outcome.has_run && programs.size() > 1 && !stop.is_raised();
    if (!may_split) return std::vector<ObjectCode>(programs.size());
    auto middle = programs.begin() + ptrdiff_t(programs.size() / 2);
    std::vector<ObjectCode> first = compile({programs.begin(), middle}, is_background, stop, why, system);
    for (ObjectCode& code : compile({middle, programs.end()}, is_background, stop, why, system))
      first.push_back(std::move(code));
    return first;
  }
  std::vector<ObjectCode> all(programs.size());
  for (size_t k = 0; k < programs.size(); k++) {
    try {
      all[k] = code_of_function(outcome.result, text("k", k));
    } catch (const Error& error) {
      note(error.message());
    }
  }
  return all;
}

}  // namespace jt::cpu
