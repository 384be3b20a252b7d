// capture: the pending nodes that a walk has found -> a block of their own; with numbers as extents, or with symbols.
//
// What the graph is for its extents stands beside its structure as *binding words*: extents of leaves, and the
// attributes that say how far (reshape's shape, pad's before, counts). A word that is the same in all bindings known
// stays a number; one that differs becomes an expression of the extents before it that agrees in all of them, or a
// symbol of its own. Types are found again by the rules of the ops, on Dims: what they rely on becomes a guard.
//
// Dimensions that the program named are symbols from the first binding on. Then one binding is all that is known, and
// an attribute that is worth as much as an extent is taken for it; where that was chance, the next binding tells.
#pragma once
#include "core/base/dim_table.h"
#include "core/ir/far.h"

namespace jt {

constexpr int32_t kLeaf = 1 << 30;  // Result::number from here on: operands that have run

// A binding word that is an extent of a named dimension.
struct NamedWord {
  uint32_t word;
  int32_t name;
  int64_t lo, hi;
};

struct WalkedGraph {
  std::span<Node* const> nodes;      // in program order
  std::span<const Ref> leaves, results;
  std::span<const uint64_t> binding;
  std::span<const uint32_t> of_leaf, of_node;  // where their binding words begin
  std::span<const NamedWord> named = {};
};

// Its Philox key is an argument of a plan, as is its counter.
int64_t key_of(const Node* random);
int64_t counter_of(const Node* random);
// The attribute that says where: an argument of a plan; -1 if there is none.
inline int starts_attr(Op op) { return op == Op::slice || op == Op::update ? attr_at(op, "starts") : -1; }

Block captured(const WalkedGraph& graph);

// A block whose extents are expressions, its table, and each binding word as a Dim.
struct SymbolicGraph {
  DimTable table;
  std::vector<Dim> binding;
  std::vector<uint32_t> of_symbol;  // the word that each symbol is read off
  Block block;
  // `others`: bindings that plans of this structure were made for. To be used while nobody else's table is in use.
  SymbolicGraph(const WalkedGraph& graph, std::span<const std::vector<uint64_t>> others, const Recorder& names);
  // Nothing is symbolic: there is nothing to gain, or a number of the graph looks like an expression.
  bool is_plain() const { return of_symbol.empty(); }
};

}  // namespace jt
