#include "core/context.h"

#include <jt/jt_autograd.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "core/code.h"
#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "core/ir/scalar_math.h"
#include "core/planner.h"
#include "core/tracing.h"
#include "core/runtime/placement.h"

namespace jt {

// Who is inside a context: nobody (0), a thread, or kReleasing: somebody who frees cells and is gone in a moment.
// kHasDeferred is set beside it by who left a dead cell and could not get in.
constexpr uintptr_t kHasDeferred = 1, kReleasing = 2;
static uintptr_t this_thread() {
#if __has_builtin(__builtin_thread_pointer)
  return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());  // what pthread_self says, without a call
#else
  return uintptr_t(pthread_self());
#endif
}

// A process, beside its parents: another thread that has the name of one that stayed in the parent is told from it.
constexpr int kForksAt = 48;
static uintptr_t this_process() { return forks_before_us() & 0x7fff; }
static uintptr_t this_thread_here() { return this_thread() | this_process() << kForksAt; }

Context::Context(std::shared_ptr<Runtime> runtime)
    : runtime_(std::move(runtime)), planner_(std::make_unique<Planner>(recorder_, *runtime_)),
      codes_(std::make_unique<CodeCache>()),
      held_(
          this, [](void* context) { return static_cast<Context*>(context)->hold_over_fork(); },
          [](void* context) {
            static_cast<Context*>(context)->leave(kReleasing), static_cast<Context*>(context)->release();
          },
          true) {
  recorder_.checks_indices = runtime_->flags.check != "0";
  if (!may_move_nodes(*runtime_)) return;
  placement_ = std::make_unique<Placement>(*runtime_);
  recorder_.placement = placement_.get();
}

Context::~Context() {
  planner_.reset();
  while (Cell* cell = free_cells_) free_cells_ = cell->next_deferred, delete cell;
}

// Where nobody is inside, the thread that forks is, so that nobody frees a cell meanwhile. A count is held, unless the
// last one is gone.
Hold Context::hold_over_fork() {
  uintptr_t inside = 0;
  if (!thread_.compare_exchange_strong(inside, kReleasing))
    return (inside & ~kHasDeferred) == kReleasing ? Hold::later : Hold::never;
  for (int32_t refs = refs_.load(); refs;)
    if (refs_.compare_exchange_weak(refs, refs + 1)) return Hold::held;
  thread_.store(0);
  return Hold::never;
}

constexpr int32_t kMaxFreeCells = 4096;

Context::Entry::Entry(Context& context) : context_(context) {
  uintptr_t inside = 0, me = this_thread_here();
  while (!(outermost_ = context.thread_.compare_exchange_strong(inside, me)) &&
         (inside & ~kHasDeferred) == kReleasing) {
    std::this_thread::yield();
    inside = 0;
  }
  if (!outermost_ && (inside & ~kHasDeferred) != me)
    fail(JT_E_BUSY, inside >> kForksAt == this_process()
                        ? "the context is in use by another thread"
                        : "the context was in use by another thread when this process was forked");
  if (!outermost_ && context.recorder_.in_callback)
    fail(JT_E_BUSY,
         "the context is evaluating, and the functions that this calls, like a custom op's, must not use it");
}

Context::Entry::~Entry() {
  if (!outermost_) return;
  if (!context_.visitors_.empty()) context_.visitors_.clear();
  context_.leave(this_thread_here());
}

// ---- cells ----------------------------------------------------------------------------------------------------------

// While it lives, the cell points at what it does. Held for a few instructions, by nobody who waits for anything; by a
// thread of another process, for ever: then nobody holds it here.
class Seen {
 public:
  explicit Seen(const Cell& cell) : cell_(cell) {
    uint16_t me = uint16_t(1 + this_process());
    while (cell_.seen_by.exchange(me, std::memory_order_acquire) == me) std::this_thread::yield();
  }
  ~Seen() { cell_.seen_by.store(0, std::memory_order_release); }
  Seen(const Seen&) = delete;

 private:
  const Cell& cell_;
};

// The type stays, as threads may be reading it: extents and dtype are the same, and which axes are units the value
// says.
static void point_elsewhere(Cell& cell, const Value& value) {
  Value next = value;  // goes when nobody looks on any more
  Ref ref = value, old = cell.value;
  ref.node->results()[ref.result].handles++;
  old.node->results()[old.result].handles--;
  Seen seen(cell);
  std::swap(cell.value, next);
}

// The host's memory stands for the cell no longer.
static void forget_written(Cell& cell) {
  if (!cell.written) [[likely]] return;
  Buffer* written;
  {
    Seen seen(cell);
    written = std::exchange(cell.written, nullptr);
  }
  jt::release(written);
}

Cell* Context::cell(const Value& value) {
  Cell* cell = free_cells_;
  if (cell) {
    free_cells_ = cell->next_deferred, n_free_cells_--;
    cell->next_deferred = nullptr;
    cell->refs.store(1, std::memory_order_relaxed);
  } else {
    cell = new Cell;
    cell->context = this;
  }
  if (n_cells_++ == 0) retain();
  Ref ref = value;
  ref.node->results()[ref.result].handles++;
  cell->value = value;
  cell->type = ref.type();
  return cell;
}

// The last handle of the cell is gone. Who calls holds a count of the context.
void Context::free_cell(Cell* cell) {
  Ref ref = cell->value;
  Result& r = ref.node->results()[ref.result];
  bool still_read = ref.node->refs > 1;
  if (--r.handles == 0 && r.buffer && still_read) kept_bytes_ += int64_t(r.buffer->bytes);
  if (cell->requires_grad) list_gradient(*cell, false);
  cell->requires_grad = false;
  forget_written(*cell);
  cell->value = Value();
  if (cell->grad) jt::release(std::exchange(cell->grad, nullptr));
  if (n_free_cells_ < kMaxFreeCells) {
    cell->next_deferred = free_cells_;
    free_cells_ = cell, n_free_cells_++;
  } else {
    delete cell;
  }
  if (--n_cells_ == 0) counts_to_drop_++;
}

// The last handle may go on any thread, and never waits: where somebody is inside the context, the cell joins a list
// that he empties before he leaves.
void release(Cell* cell) {
  if (!cell) return;
  bool is_last =
      cell->refs.load(std::memory_order_acquire) == 1 || cell->refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  if (!is_last) return;
  Context* context = cell->context;
  uintptr_t nobody = 0;
  if (!context->thread_.compare_exchange_strong(nobody, kReleasing)) return context->defer_release(cell);
  context->free_cell(cell);
  context->leave(kReleasing);
}

void Context::defer_release(Cell* cell) {
  retain();  // once it is on the list, others may free it, and with it the last count of the context
  Cell* first = deferred_.load(std::memory_order_relaxed);
  do cell->next_deferred = first;
  while (!deferred_.compare_exchange_weak(first, cell, std::memory_order_release, std::memory_order_relaxed));
  // Whoever is inside learns of it, or nobody is inside.
  for (uintptr_t inside = thread_.load(std::memory_order_relaxed);;) {
    uintptr_t wanted = inside ? inside | kHasDeferred : kReleasing;
    if (!thread_.compare_exchange_weak(inside, wanted)) continue;
    if (inside == 0) free_deferred(), leave(kReleasing);
    break;
  }
  release();
}

// Nothing of the context may be touched once nobody is inside: then another thread may drop its last count.
void Context::leave(uintptr_t me) {
  for (;;) {
    int32_t counts = std::exchange(counts_to_drop_, 0);
    uintptr_t inside = me;
    if (thread_.compare_exchange_strong(inside, 0)) {
      if (counts) refs_.fetch_sub(counts - 1, std::memory_order_acq_rel), release();
      return;
    }
    counts_to_drop_ = counts;
    thread_.exchange(me);  // deferred releases are done below: whoever defers more sets the flag again
    free_deferred();
  }
}
void Context::free_deferred() {
  while (Cell* cell = deferred_.exchange(nullptr, std::memory_order_acquire))
    for (Cell* next; cell; cell = next) {
      next = cell->next_deferred;
      free_cell(cell);
    }
}

void Context::release() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// The other context may be at work meanwhile: only what a cell's latch and two atomic words show is looked at. Buffers
// that are counted here are overwritten by nobody.
Ref Context::foreign_operand(const char* who, const Cell* cell) {
  if (!cell) fail(JT_E_INVALID, who, ": a tensor is NULL");
  if (&cell->context->runtime() != runtime_.get())
    fail(JT_E_WRONG_CONTEXT, who, ": a tensor belongs to another runtime");
  visitors_.reserve(visitors_.size() + 1);
  Type type;
  Buffer *buffer, *written;
  {
    Seen seen(*cell);
    Ref ref = cell->value;
    Recorder::check_elsewhere(ref.node);
    type = ref.type();
    written = cell->written;
    buffer = written ? written : buffer_elsewhere(ref);
    if (buffer) jt::retain(buffer);
  }
  if (written) {  // which the host may be writing: the elements as they are now
    struct Held {
      Buffer* buffer;
      ~Held() { jt::release(buffer); }
    } held{written};
    visitors_.push_back(data(type, host_bytes(written)));
    return visitors_.back();
  }
  if (!buffer) fail(JT_E_WRONG_CONTEXT, who, ": a tensor of another context has not been evaluated");
  visitors_.push_back(recorder_.leaf(type, buffer));
  return visitors_.back();
}

void Context::assign(Cell& cell, const Value& value) {
  if (cell.type.dtype != value.dtype() || !same_extents(cell.type.shape, value.shape()))
    fail(JT_E_SHAPE, "assign: a tensor of ", cell.type, " cannot become ", value.type());
  if (tracing_) [[unlikely]] tracing_->before_assign(cell);
  forget_written(cell);
  point_elsewhere(cell, value);
  if (cell.requires_grad) value.ref().node->flags |= kGradLeaf;
}

// Values never change, and who writes into memory tells nobody. So what is recorded from a cell takes the elements as
// they are at that moment: a copy, which serves until they differ from it. Once nobody can write any more, the memory
// itself is the value.
void Context::settle(Cell& cell) {
  Ref now = cell.value;
  AtDevice there(recorder_, now.node->device);
  Buffer *written = cell.written, *seen = now.node->results()[now.result].buffer;
  bool is_final = written->writers.load(std::memory_order_acquire) == 0;
  bool differs = seen != written && std::memcmp(host_bytes(seen), host_bytes(written), size_t(cell.type.bytes())) != 0;
  bool is_computed = seen == written && now.node->op != Op::data;  // as an export may be
  Value value;
  if (is_final && (differs || is_computed)) {
    value = recorder_.leaf(cell.type, written);
    jt::retain(written);  // what the leaf took over
  } else if (!is_final && (differs || seen == written)) {
    value = data(cell.type, host_bytes(written));
  }
  if (value) {
    if (cell.requires_grad) value.ref().node->flags |= kGradLeaf;
    point_elsewhere(cell, value);
  }
  if (!is_final) return;
  written->content = next_content();
  forget_written(cell);
}

Buffer* Context::writable(Cell& cell, bool is_exported) {
  auto is_shared = [&](const Buffer* buffer) {  // with somebody who would be surprised to see it change
    int32_t pins = buffer->pins.load(std::memory_order_acquire);
    return !is_exported && pins != buffer->writers.load(std::memory_order_acquire);
  };
  bool is_open = cell.written && cell.written->writers.load(std::memory_order_acquire);
  // What was exported is a look at the value, which a writer of the tensor's own does not change.
  if (is_open && (is_exported || !cell.is_exported) && !is_shared(cell.written)) return cell.written;
  Buffer* buffer = read(value_of(cell));
  const Node& node = *cell.value.ref().node;
  bool is_constant = node.op == Op::data || (is_exported && !(node.flags & kGrad));
  bool is_alone = is_constant && node.refs == 1 && buffer->pool && buffer->memory->is_host && !is_shared(buffer) &&
                  buffer->refs.load(std::memory_order_acquire) == 1 + buffer->pins.load(std::memory_order_acquire);
  Value copy;
  AtDevice there(recorder_, node.device);
  if (!is_alone) {
    copy = data(cell.type, host_bytes(buffer));
    buffer = read(copy);
    // A value with a history keeps it as long as nothing is written: looking is no assignment.
    if (!(node.flags & kGrad)) assign(cell, copy);
  }
  forget_written(cell);
  jt::retain(buffer);
  Seen seen(cell);
  cell.is_exported = is_exported;
  return cell.written = buffer;
}

void Context::list_gradient(Cell& cell, bool add) {
  if (add) {
    cell.next_grad = first_grad_, cell.previous_grad = nullptr;
    if (first_grad_) first_grad_->previous_grad = &cell;
    first_grad_ = &cell;
  } else {
    (cell.previous_grad ? cell.previous_grad->next_grad : first_grad_) = cell.next_grad;
    if (cell.next_grad) cell.next_grad->previous_grad = cell.previous_grad;
  }
}

void Context::set_requires_grad(Cell& cell, bool requires_grad) {
  if (requires_grad && !is_float(cell.type.dtype))
    fail(JT_E_DTYPE, "requires_grad: ", cell.type.dtype, " is not a floating-point dtype");
  if (requires_grad != cell.requires_grad) list_gradient(cell, requires_grad);
  cell.requires_grad = requires_grad;
  if (requires_grad) cell.value.ref().node->flags |= kGradLeaf;
}

// ---- values ---------------------------------------------------------------------------------------------------------

Value Context::data(const Type& type, const void* bytes) {
  Buffer* buffer = runtime_->pool->allocate(type.bytes(), {"data", type.dtype, type.shape});
  if (bytes && type.bytes()) std::memcpy(host_room(buffer), bytes, type.bytes());
  return recorder_.leaf(type, buffer);
}

Cell* Context::borrow(const Type& type, void* bytes, void (*release)(void*, void*), void* user) {
  Buffer* buffer = runtime_->pool->borrow(bytes, type.bytes());
  Cell* made = cell(recorder_.leaf(type, buffer));
  buffer->release = release, buffer->release_user = user;  // nothing can fail any more: from here on it is ours
  return made;
}

// A number of the program needs no plan.
void Context::store_constant(Node& constant) {
  Result& result = constant.results()[0];
  if (result.buffer) return;
  const DType dtype = result.type.dtype;
  Buffer* buffer = runtime_->pool->allocate(int64_t(size_of(dtype)), {"constant", dtype, {}});
  store(dtype, static_cast<unsigned char*>(host_room(buffer)), word_of_bits(dtype, constant.constant_bits));
  show_buffer(result, buffer);
}

void Context::eval(std::span<const Ref> asked) {
  if (tracing_) [[unlikely]] {
    for (Ref r : asked) tracing_->check_may_read(r);
    for (Ref r : asked)
      if (r.node->op == Op::constant) store_constant(*r.node);
    return;
  }
  planner_->eval(asked);
  kept_bytes_ = 0;
  for (Ref r : asked) recorder_.check(r.node);
}
void Context::eval_all() { eval({}); }
void Context::wait() { planner_->wait(); }

void Context::commit(List<Assignment> assignments, std::span<const Ref> with, const std::function<void()>& undo) {
  // The old values are overwritten in place if nobody else holds them; so nothing here does, except where no pending
  // node would keep them for the case of a failure.
  struct Before { Cell* cell; Ref value; };
  List<Before> before;
  List<Value> kept;
  List<Ref> asked(with.begin(), with.end());
  before.reserve(assignments.size()), kept.reserve(2 * assignments.size());
  asked.reserve(asked.size() + assignments.size());
  for (Assignment& a : assignments) {
    Value old = a.cell->value;
    assign(*a.cell, a.value);
    before.push_back({a.cell, old});
    asked.push_back(a.value);
    // Plans of several devices are not made as one: what the first has overwritten, a failure of the next could not
    // bring back.
    if (old.ref().node->refs == 1 || recorder_.mixes_devices) kept.push_back(std::move(old));
  }
  assignments.clear();
  auto back = [&] {
    // a new value may be all that keeps another's old one
    for (const Before& b : before) kept.push_back(Value(b.value));
    for (const Before& b : before) assign(*b.cell, Value(b.value));
    undo();
  };
  if (!tracing_) planner_->eval_together(asked, std::ref(back));
  kept_bytes_ = 0;
}

void Context::flush() {
  try {
    planner_->flush();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception&) {
  }
  // What lacks memory, or waits for a gradient, is still pending: to try at every op would be slow and help nobody.
  flush_at_ = std::max(kMaxPending, 2 * recorder_.pending_count());
  kept_bytes_ = 0;
}

Buffer* Context::read(Ref value) {
  Result& r = value.node->results()[value.result];
  if (!r.buffer || tracing_) eval({&value, 1});
  if (!r.buffer) fail(JT_E_INTERNAL, "eval: ", name(value.node->op), " did not run");
  if (FenceRef written = fence_of(r.buffer)) [[unlikely]] {
    try {
      written->wait();
    } catch (const Error& e) {  // what its launch met once it ran
      throw with_place(e, value);
    }
  }
  return r.buffer;
}

// ---- recording a graph ----------------------------------------------------------------------------------------------

void Context::begin_tracing(std::unique_ptr<Tracing> tracing) {
  JT_CHECK(!tracing_);
  tracing_ = std::move(tracing);
}
void Context::end_tracing() { std::unique_ptr<Tracing>(std::move(tracing_)).reset(); }

// ---- devices --------------------------------------------------------------------------------------------------------

int Context::set_device(int device) {
  runtime_->check_device(device);
  recorder_.mixes_devices |= device != recorder_.device && recorder_.has_recorded();
  return std::exchange(recorder_.device, uint8_t(device));
}

Value Context::to(Ref value, int device) {
  runtime_->check_device(device);
  return recorder_.on_device(value, uint8_t(device));
}

void Context::set_watch(jt_status (*function)(void*, int64_t, int64_t), void* user) {
  planner_->watch = {function, user, &recorder_.in_callback};
}

std::string Context::show(std::span<const Ref> asked, char stage) { return planner_->show(asked, stage); }
void Context::set_dump(std::string stages, std::function<void(char, std::string_view)> sink) {
  planner_->dump = {std::move(stages), std::move(sink)};
}

// ---- gradients ------------------------------------------------------------------------------------------------------

List<Value> Context::grad(Ref y, std::span<Cell* const> inputs, Ref dy, uint32_t flags) {
  List<Ref> wrt;
  for (Cell* cell : inputs) {
    if (!(value_of(*cell).ref().node->flags & (kGrad | kGradLeaf)))
      fail(JT_E_INVALID, "grad: input ", wrt.size(), " does not require a gradient");
    wrt.push_back(cell->value);
  }
  GradOptions options;
  options.create_graph = flags & JT_GRAD_CREATE_GRAPH;
  auto out = gradients(recorder_, y, dy, wrt, options);
  for (size_t i = 0; i < out.size(); i++) {
    if (out[i]) continue;
    if (!(flags & JT_GRAD_ALLOW_UNUSED))
      fail(JT_E_INVALID, "grad: y does not depend on input ", i, ", or only through what has no gradient");
    out[i] = ops::zeros_like(wrt[i]);
  }
  return out;
}

void Context::backward(Ref loss, uint32_t flags) {
  Recycling recycling(recorder_.lists);
  List<Cell*> cells;
  List<Ref> wrt;
  for (Cell* cell = first_grad_; cell; cell = cell->next_grad) cells.push_back(cell), wrt.push_back(value_of(*cell));
  GradOptions options;
  options.create_graph = flags & JT_GRAD_CREATE_GRAPH;
  options.consume = !(flags & (JT_GRAD_RETAIN_GRAPH | JT_GRAD_CREATE_GRAPH));
  // Several micro-batches peak like one: the sums so far run before the next are added.
  List<Ref> sums;
  for (const Cell* c : cells)
    if (c->grad && !c->grad->value.ref().node->has_run()) sums.push_back(c->grad->value);
  if (!sums.empty() && !tracing_) eval(sums);
  auto grads = gradients(recorder_, loss, {}, wrt, options);
  if (std::none_of(grads.begin(), grads.end(), [](const Value& g) { return bool(g); })) {
    if (options.consume) unconsume(recorder_, loss);
    fail(JT_E_INVALID,
         "backward: the loss depends on no tensor that requires a gradient, or only through what has none");
  }
  // Everything that can fail comes before the first handle changes.
  List<std::pair<Cell*, Value>> next;
  next.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); i++) {
    if (!grads[i]) continue;
    GradMode mode(recorder_, options.create_graph);
    bool is_first = !cells[i]->grad;
    AtDevice there(recorder_, cells[i]->value.ref().node->device);
    next.push_back({cells[i], is_first ? grads[i] : ops::add(cells[i]->grad->value, grads[i])});
  }
  List<Cell*> made;
  made.reserve(next.size());
  try {
    for (auto& [at, value] : next)
      if (!at->grad) made.push_back(cell(value));
  } catch (...) {
    for (Cell* c : made) jt::release(c);
    throw;
  }
  auto first = made.begin();
  for (auto& [at, value] : next) {
    if (at->grad) assign(*at->grad, value);
    else at->grad = *first++;
  }
}

}  // namespace jt
