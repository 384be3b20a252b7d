// builtin: the backends that are linked into libjt.so, the default one first.
#pragma once
#include <jt/jt_backend.h>

#include <array>

namespace jt {

std::array<const jt_backend_api*, 2> builtin_backends();

}  // namespace jt
