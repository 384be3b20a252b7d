// Every function of the table is a small body inside `guarded`, which turns what is thrown into a status and its text.
#include "backends/cpu_tcc/cpu_backend.h"

#include <charconv>
#include <cstddef>
#include <memory>
#include <new>

#include "backends/cpu_tcc/joined.h"
#include "backends/cpu_tcc/kernel.h"
#include "backends/cpu_tcc/library_ops.h"
#include "backends/cpu_tcc/pack_cache.h"
#include "core/base/status.h"

using namespace jt;

struct jt_be_device {
  const jt_host_api* host;
  const vm::Primitives* primitives;
  const library::LibraryKernels* library;
  cpu::Lanes lanes;
  std::vector<const void*> numbered{};   // the primitives, for machine code
  std::unique_ptr<cpu::TccTier> tcc{};   // null: cpu.tier is vm
  std::unique_ptr<cpu::GxxTier> gxx{};   // null: cpu.tier is vm or tcc
  bool compiles_kernels_with_tcc = true;  // else only C source of the user
  int64_t cache_bytes = library::cache_of_a_core();
  std::unique_ptr<cpu::PackCache> packs{};
};

struct jt_be_kernel : cpu::TieredKernel {
  using TieredKernel::TieredKernel;
};

struct jt_be_op {
  library::LibraryOp op;
  cpu::TccKernel code;  // of op_compile: then there is no library op
  cpu::Work work;
  int64_t lanes = 1;
  size_t lane_bytes = 0;  // workspace of each
};

namespace {

jt_status report(const jt_host_api* host, jt_status status, int64_t native, std::string_view message) {
  if (host && host->set_error) host->set_error(host->host, status, native, message.data(), message.size());
  return status;
}

template <class Body>
jt_status guarded(const jt_host_api* host, Body body) noexcept {
  try {
    body();
    return JT_OK;
  } catch (const Error& e) {
    return report(host, e.code(), e.native(), e.message());
  } catch (const std::bad_alloc&) {
    return report(host, JT_E_NOMEM, 0, "cpu: out of memory");
  } catch (const std::exception& e) {
    return report(host, JT_E_INTERNAL, 0, e.what());
  } catch (...) {
    return report(host, JT_E_INTERNAL, 0, "cpu: unknown exception");
  }
}
template <class Body>
jt_status guarded(const jt_be_device* device, Body body) noexcept {
  return device ? guarded(device->host, body) : JT_E_INVALID;
}

void demand(bool claim, const char* otherwise) {
  if (!claim) fail(JT_E_INVALID, otherwise);
}

// ---- device ----
std::string_view setting(const jt_host_api* host, const char* name, std::string_view absent) {
  const char* value = host->setting ? host->setting(host->host, name) : nullptr;
  return value && *value ? std::string_view(value) : absent;
}

int64_t number_of(const jt_host_api* host, const char* name, std::string_view absent, const char* of_what) {
  std::string_view text = setting(host, name, absent);
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0)
    fail(JT_E_INVALID, name, ": `", text, "` is no number of ", of_what);
  return number;
}
int64_t pack_bytes_of(const jt_host_api* host) { return number_of(host, "cpu.pack.bytes", "268435456", "bytes"); }
double grain_of(const jt_host_api* host) { return double(number_of(host, "cpu.grain", "5000", "nanoseconds")); }

struct IsaRow {
  std::string_view name;
  vm::Isa vm;
  library::Isa library;
};
constexpr IsaRow kIsas[] = {
    {"generic", vm::Isa::base, library::Isa::generic},
    {"base", vm::Isa::base, library::Isa::generic},
    {"avx2", vm::Isa::avx2, library::Isa::avx2},
    {"avx512", vm::Isa::avx512, library::Isa::avx512},
};

void choose_isa(jt_be_device& device) {
  std::string_view wanted = setting(device.host, "cpu.isa", "best");
  if (wanted == "best") {
    device.primitives = &vm::best_primitives();
    device.library = library::library_kernels();
    return;
  }
  for (const IsaRow& row : kIsas) {
    if (row.name != wanted) continue;
    device.primitives = vm::primitives(row.vm);
    device.library = library::library_kernels(row.library);
    if (!device.primitives || !device.library) fail(JT_E_UNSUPPORTED, "cpu.isa: this CPU or build has no ", wanted);
    return;
  }
  fail(JT_E_INVALID, "cpu.isa: `", wanted, "` is none of best, generic, base, avx2, avx512");
}

cpu::GxxSettings gxx_settings(const jt_host_api* host, bool is_alone) {
  using Where = cpu::GxxSettings::Where;
  cpu::GxxSettings settings;
  bool lends_thread = host->struct_size >= sizeof(jt_host_api) && host->submit;
  bool may_hide = setting(host, "background", "0") != "0";
  settings.where = is_alone       ? Where::foreground
                   : lends_thread ? Where::host
                   : may_hide     ? Where::thread
                                  : Where::nowhere;
  settings.compiler = setting(host, "cpu.cxx", "");
  settings.search_path = setting(host, "path", "/usr/local/bin:/usr/bin:/bin");
  settings.cache_folder = setting(host, "cache.dir", "");
  std::string_view hot = setting(host, "cpu.hot_us", "120000");
  int64_t microseconds = 0;
  auto [end, error] = std::from_chars(hot.data(), hot.data() + hot.size(), microseconds);
  bool is_number =
      error == std::errc() && end == hot.data() + hot.size() && microseconds >= 0 && microseconds < INT64_MAX / 1000;
  if (!is_number) fail(JT_E_INVALID, "cpu.hot_us: `", hot, "` is no number of microseconds");
  settings.hot_ns = microseconds * 1000;
  if (lends_thread)
    settings.submit = [host](void (*work)(void*), void* argument) { host->submit(host->host, work, argument); };
  return settings;
}

void choose_tiers(jt_be_device& device) {
  const jt_host_api* host = device.host;
  std::string tier(setting(host, "cpu.tier", "auto"));
  if (tier == "vm") return;
  if (tier != "auto" && tier != "tcc" && tier != "gxx")
    fail(JT_E_INVALID, "cpu.tier: `", tier, "` is none of auto, vm, tcc, gxx");
  auto log = [host](int level, std::string_view line) {
    if (host->log) host->log(host->host, level, "cpu", line.data(), line.size());
  };
  cpu::TccSettings settings_of_tcc{tier, std::string(setting(host, "cpu.tcc", "")),
                                   std::string(setting(host, "cache.dir", ""))};
  device.tcc = std::make_unique<cpu::TccTier>(*device.primitives, std::move(settings_of_tcc), log);
  device.compiles_kernels_with_tcc = tier != "gxx";
  if (tier == "tcc" || setting(host, "cpu.cxx", "") == "off") return;
  cpu::GxxSettings settings = gxx_settings(host, tier == "gxx");
  if (!device.tcc->has_folder()) settings.cache_folder.clear();  // it has said why
  bool is_of_use = settings.where != cpu::GxxSettings::Where::nowhere || !settings.cache_folder.empty();
  if (is_of_use) device.gxx = std::make_unique<cpu::GxxTier>(*device.primitives, std::move(settings), log);
}

jt_status cpu_open(const jt_host_api* host, jt_be_device** out) {
  if (!host || !out) return JT_E_INVALID;
  *out = nullptr;
  if (host->struct_size < offsetof(jt_host_api, threads)) return JT_E_ABI;
  return guarded(host, [&] {
    auto device = std::make_unique<jt_be_device>(jt_be_device{host, nullptr, nullptr, {*host, grain_of(host)}});
    choose_isa(*device);
    device->numbered = vm::by_number(*device->primitives);
    device->packs = std::make_unique<cpu::PackCache>(*host, pack_bytes_of(host));
    choose_tiers(*device);
    *out = device.release();
  });
}

void cpu_close(jt_be_device* device) { delete device; }

// ---- kernels ----
jt_status cpu_compile(jt_be_device* device, const jt_be_source* source, jt_be_kernel** out) {
  if (out) *out = nullptr;
  if (!device) return JT_E_INVALID;
  const char* text = nullptr;
  size_t text_len = 0;
  jt_status status = guarded(device, [&] {
    demand(source && out && source->struct_size >= sizeof(jt_be_source) && source->render, "compile: no source");
  });
  if (status == JT_OK) status = source->render(source->user, JT_BE_PROGRAM, &text, &text_len);
  if (status != JT_OK) return status;
  return guarded(device, [&] {
    demand(text, "compile: the source has no text");
    std::string_view program(text, text_len);
    auto kernel = std::make_unique<jt_be_kernel>(program, *device->primitives, device->numbered.data(),
                                                 device->compiles_kernels_with_tcc ? device->tcc.get() : nullptr,
                                                 device->gxx.get());
    *out = kernel.release();
  });
}

void cpu_kernel_release(jt_be_device*, jt_be_kernel* kernel) { delete kernel; }

void cpu_kernel_prepare(jt_be_device*, jt_be_kernel* kernel) {
  if (kernel) kernel->prepare();
}

void check_launch(const jt_be_kernel* kernel, const jt_be_launch* launch) {
  demand(kernel && launch && launch->args, "launch: no kernel or no arguments");
  const Program& p = kernel->program();
  size_t expected = size_t(arg_of_scalar(p, p.scalars));
  if (launch->args_len != expected)
    fail(JT_E_INVALID, "launch: ", launch->args_len, " argument words, expected ", expected);
  int64_t outer = launch->args[kArgOuter], inner = launch->args[kArgInner];
  if (outer < 0 || inner < 0) fail(JT_E_INVALID, "launch: negative extents: ", outer, " and ", inner);
}

jt_status cpu_scratch_bytes(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out) {
  return guarded(device, [&] {
    demand(out, "scratch_bytes: no result");
    check_launch(kernel, launch);
    *out = size_t(kernel->scratch_bytes(launch->args, device->lanes));
  });
}

jt_status cpu_launch(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch) {
  return guarded(device, [&] {
    check_launch(kernel, launch);
    int64_t begin = launch->begin, end = launch->end, outer = launch->args[kArgOuter];
    if (begin < 0 || begin > end || end > outer)
      fail(JT_E_INVALID, "launch: elements ", begin, " to ", end, " of ", outer);
    if (begin == end) return;
    bool splits_block = kernel->program().mode == Mode::flat && begin % kBlock;
    if (splits_block) fail(JT_E_INVALID, "launch: begin is ", begin, ", not a multiple of ", kBlock);
    demand(scratch, "launch: no scratch memory");
    demand(reinterpret_cast<uintptr_t>(scratch) % 64 == 0, "launch: the scratch memory is not aligned to 64 bytes");
    kernel->run(launch->args, begin, end, static_cast<char*>(scratch), device->lanes);
  });
}

void cpu_kernel_info(jt_be_device*, jt_be_kernel* kernel, jt_be_kernel_info* inout) {
  if (!kernel || !inout || inout->struct_size < sizeof(jt_be_kernel_info)) return;
  inout->tier = kernel->tier();
  inout->compile_ns = kernel->compile_ns();
  inout->from_cache = kernel->from_disk();
}

jt_status cpu_kernel_text(jt_be_device* device, jt_be_kernel* kernel, void* user,
                          void (*take)(void*, const char*, size_t)) {
  return guarded(device, [&] {
    demand(kernel && take, "kernel_text: an argument is null");
    std::string text = kernel->source();
    if (!text.empty()) take(user, text.data(), text.size());
  });
}

// ---- library ops ----
jt_status cpu_op_create(jt_be_device* device, const char* name, const int64_t* params, size_t params_len,
                        size_t* workspace_bytes, jt_be_op** out) {
  if (out) *out = nullptr;
  return guarded(device, [&] {
    demand(name && workspace_bytes && out && (params || !params_len), "op_create: an argument is null");
    auto op = std::make_unique<jt_be_op>(
        jt_be_op{library::make_library_op(*device->library, name, {params, params_len}, device->cache_bytes)});
    op->work = library::work_of(op->op);
    op->lanes = device->lanes.count(op->work);
    op->lane_bytes = (op->op.workspace_bytes + 63) / 64 * 64;
    *workspace_bytes = op->lanes > 1 ? size_t(op->lanes) * op->lane_bytes : op->op.workspace_bytes;
    *out = op.release();
  });
}

void cpu_op_release(jt_be_device*, jt_be_op* op) { delete op; }

// Pointer 1 packed, if it is one that came before; else null.
std::shared_ptr<void> kept_pack(jt_be_device& device, const library::LibraryOp& op, std::span<void* const> at,
                                const uint64_t* contents) {
  if (!contents || !op.keeps_packed) return nullptr;
  return device.packs->get(contents[1], op.packed_form, op.packed_bytes,
                           [&](void* to) { library::pack(op, at[1], to); });
}

jt_status cpu_op_run_known(jt_be_device* device, jt_be_op* op, void* const* pointers, const uint64_t* contents,
                           size_t pointers_len, void* workspace) {
  return guarded(device, [&] {
    demand(op && (pointers || !pointers_len), "op_run: an argument is null");
    if (op->code.entry) return reinterpret_cast<void (*)(void* const*)>(op->code.entry)(pointers);
    std::span<void* const> at{pointers, pointers_len};
    library::check_run(op->op, at, workspace);
    std::shared_ptr<void> packed = kept_pack(*device, op->op, at, contents);
    device->lanes.each(op->work, op->lanes, [&](int64_t begin, int64_t end, int64_t lane) {
      void* own = workspace ? static_cast<char*>(workspace) + lane * op->lane_bytes : nullptr;
      library::run_units(op->op, at, own, packed.get(), begin, end);
    });
  });
}
jt_status cpu_op_run(jt_be_device* device, jt_be_op* op, void* const* pointers, size_t pointers_len, void* workspace) {
  return cpu_op_run_known(device, op, pointers, nullptr, pointers_len, workspace);
}

// ---- an op and a kernel as one. The workspace: the op's, its packed operand, the kernel's scratch memory for each
// lane.
struct JoinedWorkspace {
  int64_t packed_at, scratch_at, lane_scratch, bytes;
  JoinedWorkspace(const jt_be_op& op, const jt_be_kernel& kernel, const int64_t* args) {
    auto aligned = [](int64_t n) { return (n + 63) / 64 * 64; };
    packed_at = op.lanes * int64_t(op.lane_bytes);
    scratch_at = packed_at + aligned(int64_t(op.op.packed_bytes));
    lane_scratch = aligned(kernel.run_here_bytes(args));
    bytes = scratch_at + op.lanes * lane_scratch;
  }
};

bool may_join(const jt_be_op* op, const jt_be_kernel* kernel, const jt_be_launch* launch) {
  demand(op, "op_run_joined: an argument is null");
  check_launch(kernel, launch);
  return op->op.is_in_order && op->lanes <= cpu::JoinedRun::kMostLanes && kernel->program().mode == Mode::flat &&
         launch->begin == 0 && launch->end == op->op.elements[2] && launch->end == launch->args[kArgOuter];
}

jt_status cpu_join_workspace(jt_be_device* device, jt_be_op* op, jt_be_kernel* kernel, const jt_be_launch* launch,
                             size_t* out) {
  bool may = true;
  jt_status status = guarded(device, [&] {
    demand(out, "join_workspace: no result");
    may = may_join(op, kernel, launch);
    if (may) *out = size_t(JoinedWorkspace(*op, *kernel, launch->args).bytes);
  });
  return may ? status : JT_E_UNSUPPORTED;  // an answer that a host often gets, and no error: nothing is thrown for it
}

jt_status cpu_op_run_joined(jt_be_device* device, jt_be_op* op, void* const* pointers, const uint64_t* contents,
                            size_t pointers_len, jt_be_kernel* kernel, const jt_be_launch* launch, void* workspace) {
  return guarded(device, [&] {
    if (!may_join(op, kernel, launch))
      fail(JT_E_UNSUPPORTED, "op_run_joined: the op's units are no stretches of what the kernel walks");
    std::span<void* const> at{pointers, pointers_len};
    demand(pointers && workspace, "op_run_joined: an argument is null");
    library::check_run(op->op, at, workspace);
    const JoinedWorkspace parts(*op, *kernel, launch->args);
    char* const memory = static_cast<char*>(workspace);
    std::shared_ptr<void> kept = kept_pack(*device, op->op, at, contents);
    void* packed = kept.get();
    if (!packed && op->op.packed_bytes) library::pack(op->op, at[1], packed = memory + parts.packed_at);
    cpu::JoinedRun joined(op->op, *kernel, launch->args);
    device->lanes.each(op->work, op->lanes, [&](int64_t begin, int64_t end, int64_t lane) {
      joined.range(begin, end, memory + parts.scratch_at + lane * parts.lane_scratch, [&](int64_t from, int64_t to) {
        library::run_units(op->op, at, memory + lane * int64_t(op->lane_bytes), packed, from, to);
      });
    });
    joined.finish(memory + parts.scratch_at);
  });
}

int64_t cpu_trim(jt_be_device* device, int64_t most_bytes) { return device ? device->packs->trim(most_bytes) : 0; }

jt_status cpu_op_compile(jt_be_device* device, const char* text, size_t text_len, jt_be_op** out) {
  if (out) *out = nullptr;
  return guarded(device, [&] {
    demand(text && out, "op_compile: an argument is null");
    if (!device->tcc) fail(JT_E_UNSUPPORTED, "there is no C compiler: cpu.tier is vm");
    auto op = std::make_unique<jt_be_op>();
    op->code = device->tcc->compile_code({text, text_len});
    *out = op.release();
  });
}

constexpr jt_backend_api kTable = {
    .struct_size = sizeof(jt_backend_api),
    .abi_minor = JT_BACKEND_ABI_MINOR,
    .name = "cpu",
    .dialects = JT_BE_PROGRAM,
    .flags = JT_BE_SURE_LAUNCHES,
    .open = cpu_open,
    .close = cpu_close,
    .mem_alloc = nullptr,
    .mem_free = nullptr,
    .compile = cpu_compile,
    .kernel_release = cpu_kernel_release,
    .scratch_bytes = cpu_scratch_bytes,
    .launch = cpu_launch,
    .kernel_info = cpu_kernel_info,
    .op_create = cpu_op_create,
    .op_release = cpu_op_release,
    .op_run = cpu_op_run,
    .op_compile = cpu_op_compile,
    .kernel_text = cpu_kernel_text,
    .kernel_prepare = cpu_kernel_prepare,
    .op_run_known = cpu_op_run_known,
    .join_workspace = cpu_join_workspace,
    .op_run_joined = cpu_op_run_joined,
    .trim = cpu_trim,
};

}  // namespace

const jt_backend_api* jt_cpu_backend(void) { return &kTable; }
