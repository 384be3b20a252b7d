#!/usr/bin/env python3
"""Plants faults: copies of a few sources in which a fault can be switched on; plant.py ROOT OUT [TABLE], where
TABLE is a file with other FAULTS.

Each row is a fault: its name, and edits (file, text, text with the fault). FAULT stands for "this fault is on". Where
lines of the text break does not matter. One that is no longer there exactly once is an error that names the fault:
then write the row again for the new text.
"""
import itertools
import pathlib
import re
import runpy
import sys

FAULTS = [
    ("lane order of a reduction",
     [("backends/cpu_tcc/vm/reductions.h", "T fold(T* lanes, int64_t used) {",
       """T fold(T* lanes, int64_t used) {
  if (FAULT) {
    for (int64_t l = 1; l < used; l++) lanes[0] = Op::of(lanes[0], lanes[l]);
    return lanes[0];
  }""")]),
    ("order in which blocks of a reduction are combined",
     [("backends/cpu_tcc/vm/reductions.h", "    for (; block >> level & 1; level++) value = Op::of(*s->partial<T>(level), value);",
       """    if (FAULT && block) {
      *s->partial<T>(0) = Op::of(*s->partial<T>(0), value);
      continue;
    }
    for (; block >> level & 1; level++) value = Op::of(*s->partial<T>(level), value);"""),
      ("backends/cpu_tcc/vm/reductions.h", "int64_t rest = s->count % kReduceBlock, blocks = s->count / kReduceBlock;\n  bool started",
       "int64_t rest = s->count % kReduceBlock, blocks = FAULT ? s->count >= kReduceBlock : s->count / kReduceBlock;\n  bool started")]),
    ("an operand is taken over one step before its last use",
     [("core/kernel/memory.cpp", "if (from.death != s ||", "if ((FAULT ? from.death != s && from.death != s + 1 : from.death != s) ||")]),
    ("a value's place in the arena is free one step early",
     [("core/kernel/memory.cpp", "bool ends = v.death == s &&", "bool ends = (FAULT ? v.death == s || v.death == s + 1 : v.death == s) &&")]),
    ("written over although it is read later in the kernel",
     [("core/kernel/memory.cpp", "p.instrs[size_t(i)].code == Code::load) return false;",
       "p.instrs[size_t(i)].code == Code::load && !FAULT) return false;")]),
    ("an operand dies although someone holds it",
     [("core/planner.cpp", "leaf.node->refs == inner_uses && !r.handles && is_exclusive(r.buffer)",
       "(FAULT || (leaf.node->refs == inner_uses && !r.handles)) && is_exclusive(r.buffer)")]),
    ("the class of a scalar is missing from the key",
     [("core/planner.cpp", "key.put(uint64_t(scalar_class(", "key.put(FAULT ? 0 : uint64_t(scalar_class(")]),
    ("the held set is missing from the key",
     [("core/planner.cpp", "key.put(wanted);", "key.put(!FAULT && wanted);"),
      ("core/planner.cpp", "  find_uses_that_end(w, number);",
       "  if (FAULT) w.key.make_room(1), w.key.put(w.results.size());\n  find_uses_that_end(w, number);")]),
    ("a sizing of other extents is taken",
     [("core/plans.cpp", "return std::ranges::equal(p.binding, binding) &&", "return (FAULT || std::ranges::equal(p.binding, binding)) &&")]),
    ("a binding is not compared with the plan's",
     [("core/runtime/make_sizing.cpp", "if (DimFormulas::at(numbers.binding[i], worth) != int64_t(binding[i])) return false;",
       "if (!FAULT && DimFormulas::at(numbers.binding[i], worth) != int64_t(binding[i])) return false;")]),
    ("a guard is not recorded",
     [("core/base/dim_table.cpp", "{ guards_.insert({kind, a, b}); }", "{ if (!FAULT) guards_.insert({kind, a, b}); }")]),
    ("an extent is read as a constant",
     [("core/kernel/lower.cpp", "(a.inner ? kernel_.inner : kernel_.outer) *= a.extent", "(a.inner ? kernel_.inner : kernel_.outer) *= FAULT ? Dim(worth(a.extent)) : a.extent")]),
    ("extents that are equal now are taken to be so always",
     [("core/base/dim_table.cpp", "  if (!knows(a) && !knows(b)) return false;\n  Sum d", "  if (FAULT && worth(a) == worth(b)) return true;\n  if (!knows(a) && !knows(b)) return false;\n  Sum d")]),
    ("offsets are those of other extents",
     [("core/kernel/memory.cpp", "slot.offset = arena.take(rounded(slot.bytes));", "slot.offset = arena.take(rounded(FAULT ? slot.bytes / 2 : slot.bytes));")]),
    ("a scalar is baked in",
     [("core/kernel/lower.cpp", "int id = node->origin;", "int id = FAULT ? -1 : node->origin;")]),
    ("the start of a slice is baked in",
     [("core/schedule/coords.cpp", "if (node->origin >= 0) scaled.place", "if (node->origin >= 0 && !FAULT) scaled.place")]),
    ("axes collapse although one has limits",
     [("core/runtime/make_sizing.cpp", "&& !(m.masked >> (k - 1) & 3)", "&& (FAULT || !(m.masked >> (k - 1) & 3))")]),
    ("rounding to a narrow dtype is skipped",
     [("core/kernel/lower.cpp", "if (exact) return reg;", "if (exact || FAULT) return reg;")]),
    ("the limit of a mask is one too small",
     [("core/schedule/coords.cpp", "limit.hi.base = in[i];", "limit.hi.base = in[i] - FAULT;")]),
    ("a negative stride is taken for a positive one",
     [("core/schedule/coords.cpp", "add_scaled(mirrored, c.of[size_t(axis)], -1);", "add_scaled(mirrored, c.of[size_t(axis)], FAULT ? 1 : -1);")]),
    ("what is computed again is stored where the first was",
     [("core/schedule/recompute.cpp", "o.value = renamed(o.value);", "o.value = FAULT ? o.value : renamed(o.value);")]),
    ("an operand's transposition is forgotten",
     [("core/schedule/fuse.cpp", "if (x.is_transposed) graph_", "if (x.is_transposed && !FAULT) graph_")]),
    ("a slice assignment's base is not copied",
     [("core/kernel/memory.cpp", "plan_.copies_base.back() = true;", "plan_.copies_base.back() = !FAULT;")]),
    ("every carried value is written over where it is",
     [("core/runtime/make_plan.cpp", "from.where == Where::output && plan->output_from[size_t(from.index)] == k + 1;", "from.where == Where::output && (FAULT || plan->output_from[size_t(from.index)] == k + 1);")]),
    ("a carried value is written over while it is read",
     [("core/runtime/run_steps.cpp", "return odd && !r.stays[k] ?", "return odd && !r.stays[k] && !FAULT ?")]),
    ("after an odd number of rounds the values are left in the second places",
     [("core/runtime/run_steps.cpp", "  if (round & 1)\n", "  if ((round & 1) && !FAULT)\n")]),
    ("rows of all rounds are the first",
     [("core/runtime/run_steps.cpp", "    if (round) {\n", "    if (round && !FAULT) {\n")]),
    ("rows behind the last round are what was there",
     [("core/runtime/run_steps.cpp", "if (size.most > round) stream_.fill", "if (size.most > round && !FAULT) stream_.fill")]),
    ("a loop ends a round too late",
     [("core/runtime/run_steps.cpp", "goes_on = ++round < trips &&", "goes_on = ++round < trips + FAULT &&")]),
    ("a loop's condition is that of the round before",
     [("core/runtime/run_steps.cpp", "(!r.has_condition || read_bool(frame.address(r.condition)))", "(!r.has_condition || FAULT || read_bool(frame.address(r.condition)))")]),
    ("what a branch only passes on is not copied",
     [("core/runtime/run_steps.cpp", "    copy(at(first_result + size_t(move.result)),", "    if (!FAULT) copy(at(first_result + size_t(move.result)),")]),
    ("how far an op of a body goes is not in the binding",
     [("core/ir/region.cpp", "binding_.push_back(uint64_t(w.word()));", "binding_.push_back(FAULT ? 1 : uint64_t(w.word()));")]),
]


def wherever_lines_break(text):
    """A pattern for these tokens with any space between them, and some where it holds words apart."""
    tokens = re.findall(r"\w+|[^\w\s]", text)
    gaps = [r"\s+" if re.match(r"\w", a[-1]) and re.match(r"\w", b) else r"\s*" for a, b in itertools.pairwise(tokens)]
    return re.compile("".join(re.escape(t) + g for t, g in zip(tokens, [*gaps, ""])))


def main():
    root, out = map(pathlib.Path, sys.argv[1:3])
    faults = runpy.run_path(sys.argv[3])["FAULTS"] if len(sys.argv) > 3 else FAULTS
    texts = {}
    for number, (name, edits) in enumerate(faults, 1):
        for path, old, new in edits:
            text = texts.setdefault(path, (root / path).read_text())
            found = [*wherever_lines_break(old).finditer(text)]
            if len(found) != 1:
                sys.exit(f"plant: fault '{name}': its text is {len(found)} times in {path}, not once:\n{old}")
            begin, end = found[0].span()
            planted = new.strip().replace("FAULT", f"(jt_planted_fault == {number})")
            texts[path] = text[:begin] + planted + text[end:]
    for path, text in texts.items():
        to = out / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(f'extern int jt_planted_fault;\n#line 1 "{path}"\n{text}')
    names = "".join(f'"{name}",\n' for name, _ in faults)
    (out / "fault_names.inc").write_text(names)


main()
