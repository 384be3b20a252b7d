// builtin: the backends that are linked into libjt.so, the default one first.
#pragma once
#include <jt/jt_backend.h>

#include <span>

namespace jt {

std::span<const jt_backend_api* const> builtin_backends();

}  // namespace jt
