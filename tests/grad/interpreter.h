// interpreter: runs a graph in doubles, one element at a time, with nothing shared with the rest of the library: what
// finite differences and reference values of this folder are held against. Integers must fit 53 bits.
#pragma once
#include <map>
#include <vector>

#include "core/ir/recorder.h"

namespace jt::test {

using Array = std::vector<double>;
using Feed = std::map<const Node*, Array>;

// The elements of a value, its leaves being fed.
Array run(Ref value, const Feed& feed);

}  // namespace jt::test
