// checkpoint: named values to a safetensors file, for handles and for modules.
#pragma once
#include "capi/src/guard.h"

namespace jt::capi {

void write_checkpoint(Context& c, std::string_view path, std::span<const std::string> names, std::span<const Ref> values);

}  // namespace jt::capi
