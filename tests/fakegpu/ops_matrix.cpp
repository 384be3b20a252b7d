#include "tests/fakegpu/ops.h"
namespace fakegpu { void add_matrix_opcodes(OpcodeTable&) {} }
