// context: what the C API forwards to. A runtime is shared and locks inside; a context is the lazy graph being recorded
// and belongs to one thread at a time; a cell is a tensor handle: a counted, mutable pointer at a Ref.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/flags.h"
#include "core/base/log.h"
#include "core/base/recycler.h"
#include "core/ir/recorder.h"
#include "core/runtime/runtime.h"

namespace jt {

class CodeCache;
class Context;
class Placement;
class Planner;
class Tracing;

// What a jt_tensor points at. Shape and dtype may be read from any thread; the rest belongs to the context's thread,
// but for threads of other contexts, which may see what it points at: see Context::foreign_operand.
struct Cell {
  std::atomic<int32_t> refs{1};
  // a process; it stays what it is: for the moment that it takes to count a buffer up
  mutable std::atomic<uint16_t> seen_by{0};
  bool requires_grad = false;
  bool is_exported = false;  // `written` is only handed on to be read: looks at the value may share it
  Context* context;
  Type type;             // of what it points at
  Value value;           // where `written` may have changed meanwhile: as of its last use
  Buffer* written = nullptr;  // memory that stands for the value and that the host may write; counted
  Cell* grad = nullptr;  // accumulated by backward; owned
  Cell *next_grad = nullptr, *previous_grad = nullptr;  // among the context's cells that require a gradient
  Cell* next_deferred = nullptr;
};

class Context {
 public:
  explicit Context(std::shared_ptr<Runtime> runtime);

  // One thread at a time: throws JT_E_BUSY when another is inside.
  class Entry {
   public:
    explicit Entry(Context& context);
    ~Entry();
   private:
    Context& context_;
    bool outermost_;
  };

  Runtime& runtime() { return *runtime_; }
  // What mappings keep, which may outlive the context: null where no device has to do with the host's memory.
  std::shared_ptr<Runtime> keeper() const { return runtime_->reaches_only_host() ? nullptr : runtime_; }
  Recorder& recorder() { return recorder_; }
  Recycler& lists() { return recorder_.lists; }
  CodeCache& codes() { return *codes_; }
  Planner& planner() { return *planner_; }

  // While a graph is recorded (tracing.h): nothing runs then. Else null.
  Tracing* tracing() { return tracing_.get(); }
  void begin_tracing(std::unique_ptr<Tracing> tracing);
  void end_tracing();  // tensors stand for what they stood for before

  // A new handle on a value; the caller owns one count.
  Cell* cell(const Value& value);
  // The value that a handle points at, as an operand here: of this context, or of another one of the same runtime once
  // it has run. Valid until this context is left.
  Ref operand(const char* who, const Cell* cell) {
    if (cell && cell->context == this) [[likely]] return value_of(*cell);
    return foreign_operand(who, cell);
  }
  // The value that a cell of this context stands for now, with what the host has written.
  const Value& value_of(const Cell& cell) {
    if (cell.written) [[unlikely]] settle(const_cast<Cell&>(cell));
    return cell.value;
  }
  // Memory that stands for the cell's value from now on and that the host may write: the value's own where nothing else
  // sees it, else a copy. If it is only exported, those who look at the value may share it.
  Buffer* writable(Cell& cell, bool is_exported);
  // Points a handle at another value of the same type (an assignment).
  void assign(Cell& cell, const Value& value);
  struct Assignment { Cell* cell; Value value; };
  // Assigns, and runs what is pending. If the new values or `with` cannot be had, the handles point at their old ones
  // again, `undo` is called, and the error thrown. A new value is made from the old one, or nothing pending reads that.
  void commit(List<Assignment> assignments, std::span<const Ref> with, const std::function<void()>& undo);
  void set_requires_grad(Cell& cell, bool requires_grad);
  // visit(cell) for each that requires a gradient.
  template <class Visit>
  void each_trained(Visit&& visit) {
    for (Cell* cell = first_grad_; cell; cell = cell->next_grad) visit(*cell);
  }

  Value data(const Type& type, const void* bytes);  // copies; bytes may be null: uninitialised
  // A handle on memory of the host; the caller owns one count. `release` is not called if this fails.
  Cell* borrow(const Type& type, void* bytes, void (*release)(void*, void*), void* user);

  // Runs what is pending: these values and every held one. Values that ran have buffers afterwards. Throws if one of
  // these has none then; what else failed tells when it is read.
  void eval(std::span<const Ref> asked);
  void eval_all();  // throws the first error of any value
  void wait();      // until all has run that was launched; throws the first error met there
  // Evaluates, waits, then gives the buffer.
  Buffer* read(Ref value);
  // The device on which what is recorded from now on runs; returns what it was.
  int set_device(int device);
  // The value on that device, or itself if it is to be there.
  Value to(Ref value, int device);
  // Records gradients of y with respect to cells; see jt_autograd.h.
  List<Value> grad(Ref y, std::span<Cell* const> inputs, Ref dy, uint32_t flags);
  // Adds gradients of loss to the cells it depends on; see jt_autograd.h.
  void backward(Ref loss, uint32_t flags);

  // seed, stream and counter of the next random op, in program order.
  struct RandomState { int64_t seed = 0, stream = 0, counter = 0; };
  RandomState random() const { return random_; }
  // Before one is drawn.
  void check_may_draw() const {
    if (recorder_.loops_open)
      fail(JT_E_UNSUPPORTED,
           "a loop's body draws random numbers: each round would have the same; draw them before, a row each");
  }
  void count_random() { random_.counter++; }  // once it is recorded
  void set_random(const RandomState& state) { random_ = state; }
  void seed(int64_t seed) { random_ = {seed, 0, 0}; }

  // What a stage makes of the pending graph behind `asked`; runs nothing.
  std::string show(std::span<const Ref> asked, char stage);
  // Hands the text of these stages of every new plan to `sink`.
  void set_dump(std::string stages, std::function<void(char stage, std::string_view text)> sink);
  // Called during evaluations; see jt_runtime.h. Null: nobody.
  void set_watch(jt_status (*function)(void* user, int64_t compiled, int64_t to_compile), void* user);
  // Called before recording: a loop that looks at nothing runs all the same. What fails then tells when it is read;
  // throws only where the program's watch ends the evaluation.
  void flush_if_large() {
    bool is_large = recorder_.pending_count() > flush_at_ || kept_bytes_ > kMaxKeptBytes;
    if (is_large && flush_limit_ && !tracing_) [[unlikely]] flush();
  }
  void set_flush_limit(bool on) { flush_limit_ = on; }

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release();  // any thread

  friend void release(Cell* cell);

 private:
  ~Context();
  void free_cell(Cell* cell);
  void leave(uintptr_t me);
  void defer_release(Cell* cell);
  void free_deferred();
  Hold hold_over_fork();
  Ref foreign_operand(const char* who, const Cell* cell);
  void settle(Cell& cell);
  void list_gradient(Cell& cell, bool add);
  void store_constant(Node& constant);
  void flush();
  // A loop that never looks at its values still runs in bounded memory.
  static constexpr int64_t kMaxPending = 65536, kMaxKeptBytes = 256 << 20;
  bool flush_limit_ = true;
  int64_t flush_at_ = kMaxPending;
  int64_t kept_bytes_ = 0;  // of buffers whose last handle went while others still read them, since the last eval

  std::atomic<int32_t> refs_{1};
  std::atomic<uintptr_t> thread_{0};  // who is inside
  std::atomic<Cell*> deferred_{nullptr};  // cells whose release is deferred
  int32_t counts_to_drop_ = 0;        // of the context: its cells' one count, as often as they were none
  std::shared_ptr<Runtime> runtime_;
  Recorder recorder_;
  RandomState random_;
  std::unique_ptr<Planner> planner_;
  std::unique_ptr<Tracing> tracing_;
  std::unique_ptr<Placement> placement_;  // null: every device runs everything
  std::unique_ptr<CodeCache> codes_;
  Cell* first_grad_ = nullptr;  // cells that require a gradient
  int64_t n_cells_ = 0;          // together they hold one count of the context
  Cell* free_cells_ = nullptr;   // for reuse, linked by next_deferred
  int32_t n_free_cells_ = 0;
  std::vector<Value> visitors_;  // operands from other contexts
  HeldOverFork held_;
};

inline void retain(Cell* cell) { cell->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Cell* cell);  // any thread; null is fine

}  // namespace jt
