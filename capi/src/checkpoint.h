// checkpoint: named values to a safetensors file, for handles and for modules.
#pragma once
#include "capi/src/guard.h"
#include "core/io/safetensors.h"

namespace jt::capi {

// The values of one tensor of a file, read to where values live.
Value stored_value(Context& c, const OpenTensorFile& file, const OpenTensorFile::Entry& entry);
void write_checkpoint(Context& c, std::string_view path, std::span<const std::string> names,
                      std::span<const Ref> values);

}  // namespace jt::capi
