// salvage: what an eval does when its plan failed: everything that can run alone runs, the rest is told apart.
//
// The values asked for run first, then the held ones in program order, in halves down to single values. One that fails
// by itself is poisoned: reading it repeats the error, so do values that depend on it, and it is no longer pending.
// What only lacked memory or time stays pending instead: nothing is wrong with it, and it may come when it is asked for
// again. Where the program's watch ended the evaluation nothing is salvaged: everything stays as it is.
#include "core/planner.h"

namespace jt {

Error caught() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error(JT_E_NOMEM, "out of memory");
  } catch (const std::exception& e) {
    return Error(JT_E_INTERNAL, e.what());
  } catch (...) {
    return Error(JT_E_UNKNOWN, "an unknown exception");
  }
}

static bool may_pass(const Error& e) {
  switch (e.code()) {
    case JT_E_NOMEM:
    case JT_E_CANCELLED:
    case JT_E_TIMEOUT:
    case JT_E_BUSY:
    case JT_E_WOULD_COMPILE: return true;
    default: return false;
  }
}

Error with_place(const Error& e, Ref value) {
  std::string message = text(e.message(), " (computing ", name(value.node->op), " ", value.type());
  if (value.node->line) append(message, text(", recorded at line ", value.node->line));
  return Error(e.code(), message + ")", e.native());
}

// Constants need no plan to be known.
static std::vector<Value> held_and_pending(const Recorder& recorder) {
  std::vector<Value> out;
  for (Node* node = recorder.first_pending(); node; node = node->next)
    if (node->has_handles() && node->op != Op::constant) out.push_back(Value(Ref{node, 0}));
  return out;
}

// Runs all of `roots` that can run, and poisons those that cannot. `first` gets the error of the first of them, unless
// it has one.
void Planner::bring(std::span<const Value> roots, std::optional<Error>& first) {
  std::vector<Ref> pending;
  for (const Value& v : roots)
    if (v.ref().node->has(kPending)) pending.push_back(v);
  if (pending.empty()) return;
  try {
    return run(pending, false);
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    if (pending.size() == 1) {
      Error error = caught();
      if (!may_pass(error)) {
        error = with_place(error, pending[0]);
        recorder_.poison(pending[0].node, error);
      }
      if (!first) first = std::move(error);
      return;
    }
  }
  bring(roots.first(roots.size() / 2), first);
  bring(roots.subspan(roots.size() / 2), first);
}

void Planner::salvage(std::span<const Ref> asked) {
  std::optional<Error> of_asked, of_held;
  bring(std::vector<Value>(asked.begin(), asked.end()), of_asked);
  bring(held_and_pending(recorder_), of_held);
  if (of_asked) throw *of_asked;
  if (of_held && asked.empty()) throw *of_held;
}

void Planner::eval_together(std::span<const Ref> asked, const std::function<void()>& undo) {
  // A custom op that fails takes what depends on it along: then no part of `asked` may run.
  auto run_together = [&](std::span<const Ref> alone, bool also_held) {
    if (recorder_.may_hold_customs) run_customs(asked, also_held);
    for (Ref r : asked) recorder_.check(r.node);
    run_parts(alone, also_held);
  };
  try {
    return run_together({}, true);
  } catch (const Interrupted&) {
    undo();
    throw;
  } catch (...) {
  }
  std::optional<Error> of_asked, of_held;
  try {
    run_together(asked, false);
  } catch (const Interrupted&) {
    undo();
    throw;
  } catch (...) {
    of_asked = caught();
    undo();
  }
  bring(held_and_pending(recorder_), of_held);
  if (of_asked) throw *of_asked;
}

}  // namespace jt
