// planner: what is pending in a recorder -> a plan that ran; and the cache of plans.
//
// One walk over the pending nodes that are needed writes the *key*: everything a plan depends on - ops, attributes,
// classes of scalars, dtypes, which values are asked for, which operands die - and beside it the *binding*: extents,
// and attributes that say how far. Values that may differ from run to run (operands' addresses, scalars, starts of
// slices) are gathered too. Equal keys and bindings, compared in full, mean that the plan and sizing made before fit:
// then nothing of the pipeline runs again. With an equal key and another binding, a plan whose guards hold there gets
// another sizing. Where there is none, a plan is made in which what has differed so far are symbols (capture.h).
#pragma once
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/capture.h"
#include "core/plan_cache.h"
#include "core/runtime/run_plan.h"
#include "core/runtime/runtime.h"

namespace jt {

class Planner {
 public:
  Planner(Recorder& recorder, Runtime& runtime);
  ~Planner();

  // Runs `asked` and every pending value that a handle points at. What ran has buffers and has let go of its operands,
  // unless a gradient may still be asked through it. If that plan fails, whatever can run alone does, and the values
  // that cannot are poisoned (salvage.cpp); throws only if one of `asked` is among these, or with nothing asked any.
  void eval(std::span<const Ref> asked);
  // The same, where `asked` comes as a whole or not at all: then `undo` is called before the rest is salvaged. Handles
  // point at all of `asked`.
  void eval_together(std::span<const Ref> asked, const std::function<void()>& undo);
  // Runs what is held now and was recorded before the program was last back at the source line of the first pending
  // node; everything held where no line tells, or where that would be little. In a loop every such plan is of whole
  // rounds, so the cached one fits. Throws as eval of nothing.
  void flush();
  // Until all has run that was launched; throws what failed since somebody waited last.
  void wait();
  // A plan of a block that is no walk's, and a run of such a plan on the memory of these params. A run that fails
  // changes nothing; else `of_results` has a buffer for each result of the block, a count each.
  SizedPlan plan_of(Block block, const std::vector<bool>& dies, int device);
  struct Execution {
    const SizedPlan& made;
    Arguments& arguments;
    std::span<Buffer* const> params;
    std::span<const int64_t> scalars, wheres;
    int device;
  };
  void execute(const Execution& run, std::vector<Buffer*>& of_results);
  int64_t plans() const { return int64_t(plans_.size()); }
  // What a stage makes of the graph behind `asked`; runs nothing.
  std::string show(std::span<const Ref> asked, char stage);
  Dump dump;    // of every plan made
  Watch watch;  // of every evaluation; an end that it calls for is thrown as Interrupted, and nothing is salvaged

 private:
  struct Walk;
  void run(std::span<const Ref> asked, bool also_held);
  void run_parts(std::span<const Ref> asked, bool also_held);
  void run_by_device(std::span<const Ref> asked, bool also_held);
  void run_plan_of(std::span<const Ref> asked, bool also_held, int device);
  bool moves_to_fallback(const Walk& walk, const Error* refusal);
  void run_walked(Walk& walk);
  void run_customs(std::span<const Ref> asked, bool also_held);
  bool run_first_customs(std::span<const Ref> asked, bool also_held);
  void call(Node* node);
  void salvage(std::span<const Ref> asked);
  void bring(std::span<const Value> roots, std::optional<Error>& first);
  void walk(std::span<const Ref> asked, bool also_held, Walk& walk, bool stores_for_gradient, int device);
  struct CachedPlan {
    std::vector<uint64_t> key, binding;
    uint64_t hash;
    SizedPlan made;
    std::unique_ptr<Arguments> arguments;  // of this context's runs
    void replace(SizedPlan by);
  };
  // All bindings of one key.
  struct Family {
    std::vector<uint64_t> key;
    uint64_t hash;
    std::vector<std::vector<uint64_t>> planned;         // bindings that plans were made for, the latest few
    std::vector<std::shared_ptr<const Plan>> versions;  // plans that hold for more than one
  };
  static void find_uses_that_end(Walk& walk, int32_t n_values);
  CachedPlan& find_or_make(Walk& walk);
  SizedPlan sized_again(const Walk& walk, const Family& family);
  SizedPlan planned(const Walk& walk, Family& family);
  SizedPlan planned_with_symbols(const Walk& walk, const Family& family);
  SizedPlan compiled(const Walk& walk, const Dump* dump, int64_t budget);
  SizedPlan with_less_memory(const Walk& walk, const SizedPlan& plan);
  void settle(Walk& walk);

  Recorder& recorder_;
  Runtime& runtime_;
  EvalStats stats_;
  // What this context has on a device.
  struct OnDevice {
    DeviceState& state;
    DeviceStream stream;
    Workspace workspace;
    const bool is_like_host;  // its launches have run when they return, with the host's memory
    explicit OnDevice(DeviceState& s)
        : state(s), stream(s.device), is_like_host(stream.is_immediate() && s.pool->memory()->is_host) {}
  };
  OnDevice& on(int device) {
    auto& there = on_device_[size_t(device)];
    if (!there) [[unlikely]] there = std::make_unique<OnDevice>(runtime_.device(device));
    return *there;
  }
  std::vector<std::unique_ptr<OnDevice>> on_device_;  // by number; null: not used yet
  LeastRecent<CachedPlan> plans_;
  LeastRecent<Family> families_;
  // hashes of keys whose plans have a kernel or op that their device does not take
  std::unordered_set<uint64_t> refused_;
  std::vector<int64_t> worth_;  // scratch
  std::unique_ptr<Walk> scratch_;
  std::vector<Buffer*> outputs_;  // of one run
  std::vector<char> is_given_;    // by output: a result has its count
  std::optional<Error> of_custom_;  // the first error of a custom op's function in this eval
};

// The exception that is being handled, as an Error.
Error caught();
// What was computed, and where it was recorded.
Error with_place(const Error& e, Ref value);
// The pending nodes that an eval of these values needs, in program order.
List<Node*> needed_nodes(Recorder& recorder, std::span<const Ref> asked, bool also_held);

}  // namespace jt
