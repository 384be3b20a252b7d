#include "tests/cuda/seen_texts.h"

#include <map>

#include "backends/cpu_tcc/cpu_backend.h"
#include "core/base/status.h"
#include "tools/backend_check/run_block.h"

namespace jt::test {

namespace {

std::function<void(const SeenLaunch&)> seeing;

// A kernel of the CPU's, and its program beside it.
std::map<jt_be_kernel*, Program>& programs() {
  static std::map<jt_be_kernel*, Program> all;
  return all;
}

jt_status compile(jt_be_device* device, const jt_be_source* source, jt_be_kernel** out) {
  jt_status status = jt_cpu_backend()->compile(device, source, out);
  if (status == JT_OK) programs()[*out] = parse_program({source->key, source->key_len});
  return status;
}
jt_status scratch_bytes(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out) {
  if (seeing) seeing({programs().at(kernel), launch->args});
  return jt_cpu_backend()->scratch_bytes(device, kernel, launch, out);
}

}  // namespace

void each_launch(const std::function<bool(const Case&)>& wanted, const std::string& cases_file,
                 const std::function<void(const Case&, const SeenLaunch&)>& see) {
  static const jt_backend_api table = [] {
    jt_backend_api t = *jt_cpu_backend();
    t.compile = compile, t.scratch_bytes = scratch_bytes;
    return t;
  }();
  std::shared_ptr<Runtime> runtime = runtime_of(&table, "vm");
  auto run = [&](const Case& c) {
    if (!wanted(c)) return;
    seeing = [&](const SeenLaunch& launch) { see(c, launch); };
    try {
      run_block(*runtime, parse(c.graph), c.params);
    } catch (const Error& e) {
      if (e.code() != JT_E_UNSUPPORTED) throw;
    }
    seeing = nullptr;
  };
  each_table_case(run);
  if (!cases_file.empty()) each_file_case(cases_file, run);
}

}  // namespace jt::test
