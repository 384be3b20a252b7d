// backend_library: the path of a shared library -> a backend's table, checked before anything of it is called.
#pragma once
#include <jt/jt_backend.h>

#include <memory>
#include <string>

namespace jt {

struct BackendLibrary {
  const jt_backend_api* api = nullptr;
  std::shared_ptr<void> library;  // the table is valid as long as this lives
};

// Throws JT_E_IO if the file cannot be loaded, JT_E_ABI if it is no backend or one of another version; both name the
// path.
BackendLibrary load_backend(const std::string& path);
// The same checks for a table from anywhere; `who` names it in errors.
void check_backend(const std::string& who, const jt_backend_api* api);

}  // namespace jt
