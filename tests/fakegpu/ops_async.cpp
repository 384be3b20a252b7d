#include "tests/fakegpu/ops.h"
namespace fakegpu { void add_async_opcodes(OpcodeTable&) {} }
