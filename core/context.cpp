#include "core/context.h"

#include <jt/jt_autograd.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "core/planner.h"

namespace jt {

// A loop that never looks at its values still runs in bounded memory.
constexpr int64_t kMaxPending = 65536, kMaxKeptBytes = 256 << 20;

static uintptr_t this_thread() { return uintptr_t(pthread_self()); }

Context::Context(std::shared_ptr<Runtime> runtime)
    : runtime_(std::move(runtime)), planner_(std::make_unique<Planner>(recorder_, *runtime_)) {}

Context::~Context() {
  planner_.reset();
  while (Cell* cell = free_cells_) free_cells_ = cell->next_dead, delete cell;
}

constexpr int32_t kMaxFreeCells = 4096;
constexpr uintptr_t kUndertaker = 1;  // in place of a thread: somebody buries cells and is gone in a moment

Context::Entry::Entry(Context& context) : context_(context) {
  uintptr_t inside = 0, me = this_thread();
  while (!(outermost_ = context.thread_.compare_exchange_strong(inside, me)) && inside == kUndertaker) {
    std::this_thread::yield();
    inside = 0;
  }
  if (!outermost_ && inside != me) fail(JT_E_BUSY, "the context is in use by another thread");
  if (context.dead_.load(std::memory_order_relaxed)) context.bury_dead_cells();
}

Context::Entry::~Entry() {
  if (!outermost_) return;
  if (!context_.visitors_.empty()) context_.visitors_.clear();
  context_.leave();
}

// ---- cells -----------------------------------------------------------------------------------------------------------

static void point(Cell& cell, const Value& value) {
  Ref ref = value;
  ref.node->results()[ref.result].handles++;
  if (Ref old = cell.value) old.node->results()[old.result].handles--;
  cell.value = value;
  cell.type = value.type();
}

Cell* Context::cell(const Value& value) {
  Cell* cell = free_cells_;
  if (cell) {
    free_cells_ = cell->next_dead, n_free_cells_--;
    cell->next_dead = nullptr;
    cell->refs.store(1, std::memory_order_relaxed);
  } else {
    cell = new Cell;
    cell->context = this;
  }
  if (n_cells_++ == 0) retain();
  point(*cell, value);
  return cell;
}

// The last handle of the cell is gone. Who calls holds a count of the context.
void Context::bury(Cell* cell) {
  Ref ref = cell->value;
  Result& r = ref.node->results()[ref.result];
  bool still_read = ref.node->refs > 1;
  if (--r.handles == 0 && r.buffer && still_read) kept_bytes_ += int64_t(r.buffer->bytes);
  if (cell->requires_grad) list_gradient(*cell, false);
  cell->requires_grad = false;
  cell->value = Value();
  if (cell->grad) jt::release(std::exchange(cell->grad, nullptr));
  if (n_free_cells_ < kMaxFreeCells) {
    cell->next_dead = free_cells_;
    free_cells_ = cell, n_free_cells_++;
  } else {
    delete cell;
  }
  if (--n_cells_ == 0) refs_.fetch_sub(1, std::memory_order_acq_rel);
}

// The last handle may go on any thread, and never waits: where somebody is inside the context, the cell joins a list that
// he empties.
void release(Cell* cell) {
  if (!cell) return;
  bool is_last = cell->refs.load(std::memory_order_acquire) == 1 || cell->refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  if (!is_last) return;
  Context* context = cell->context;
  context->retain();  // the cells may hold its last count
  uintptr_t nobody = 0;
  if (context->thread_.compare_exchange_strong(nobody, kUndertaker)) {
    context->bury(cell);
    context->leave();
  } else {
    Cell* first = context->dead_.load(std::memory_order_relaxed);
    do cell->next_dead = first;
    while (!context->dead_.compare_exchange_weak(first, cell));
    context->bury_if_free();
  }
  context->release();
}

// Whoever was inside looks at the list after he left, so no cell stays behind; this needs one order of all that happens
// to dead_ and thread_.
void Context::leave() {
  thread_.store(0);
  bury_if_free();
}
void Context::bury_if_free() {
  while (dead_.load()) {
    uintptr_t nobody = 0;
    if (!thread_.compare_exchange_strong(nobody, kUndertaker)) return;
    bury_dead_cells();
    thread_.store(0);
  }
}
void Context::bury_dead_cells() {
  while (Cell* cell = dead_.exchange(nullptr, std::memory_order_acquire))
    for (Cell* next; cell; cell = next) {
      next = cell->next_dead;
      bury(cell);
    }
}

void Context::release() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

Ref Context::operand(const char* who, const Cell* cell) {
  if (!cell) fail(JT_E_INVALID, who, ": a tensor is NULL");
  if (cell->context == this) return cell->value;
  if (&cell->context->runtime() != runtime_.get()) fail(JT_E_WRONG_CONTEXT, who, ": a tensor belongs to another runtime");
  Entry entry(*cell->context);
  Ref ref = cell->value;
  Buffer* buffer = ref.node->results()[ref.result].buffer;
  if (!buffer) fail(JT_E_WRONG_CONTEXT, who, ": a tensor of another context has not been evaluated");
  jt::retain(buffer);
  visitors_.push_back(recorder_.leaf(ref.type(), buffer));
  return visitors_.back();
}

void Context::assign(Cell& cell, const Value& value) {
  if (cell.type.dtype != value.dtype() || !same_extents(cell.type.shape, value.shape()))
    fail(JT_E_SHAPE, "assign: a tensor of ", cell.type, " cannot become ", value.type());
  point(cell, value);
  if (cell.requires_grad) value.ref().node->flags |= kGradLeaf;
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

// ---- values ----------------------------------------------------------------------------------------------------------

Value Context::data(const Type& type, const void* bytes) {
  Buffer* buffer = runtime_->pool->allocate(type.bytes());
  if (bytes && type.bytes()) std::memcpy(buffer->data, bytes, type.bytes());
  return recorder_.leaf(type, buffer);
}

Value Context::borrow(const Type& type, void* bytes, void (*release)(void*, void*), void* user) {
  return recorder_.leaf(type, runtime_->pool->borrow(bytes, type.bytes(), release, user));
}

void Context::eval(std::span<const Ref> asked) {
  planner_->eval(asked);
  kept_bytes_ = 0;
}
void Context::eval_all() { eval({}); }

void Context::flush_if_large() {
  bool is_large = recorder_.pending_count() > kMaxPending || kept_bytes_ > kMaxKeptBytes;
  if (is_large && flush_limit_) eval_all();
}

Buffer* Context::read(Ref value) {
  Result& r = value.node->results()[value.result];
  if (!r.buffer) eval({&value, 1});
  if (!r.buffer) fail(JT_E_INTERNAL, "eval: ", name(value.node->op), " did not run");
  return r.buffer;
}

std::string Context::show(std::span<const Ref> asked, char stage) { return planner_->show(asked, stage); }
void Context::set_dump(std::string stages, std::function<void(char, std::string_view)> sink) {
  planner_->dump = {std::move(stages), std::move(sink)};
}

// ---- gradients -------------------------------------------------------------------------------------------------------

std::vector<Value> Context::grad(Ref y, std::span<Cell* const> inputs, Ref dy, uint32_t flags) {
  std::vector<Ref> wrt;
  for (Cell* cell : inputs) {
    if (!(cell->value.ref().node->flags & (kGrad | kGradLeaf)))
      fail(JT_E_INVALID, "grad: input ", wrt.size(), " does not require a gradient");
    wrt.push_back(cell->value);
  }
  GradOptions options;
  options.create_graph = flags & JT_GRAD_CREATE_GRAPH;
  auto out = gradients(recorder_, y, dy, wrt, options);
  for (size_t i = 0; i < out.size(); i++) {
    if (out[i]) continue;
    if (!(flags & JT_GRAD_ALLOW_UNUSED)) fail(JT_E_INVALID, "grad: y does not depend on input ", i, ", or only through what has no gradient");
    out[i] = ops::zeros_like(wrt[i]);
  }
  return out;
}

void Context::backward(Ref loss, uint32_t flags) {
  std::vector<Cell*> cells;
  std::vector<Ref> wrt;
  for (Cell* cell = first_grad_; cell; cell = cell->next_grad) cells.push_back(cell), wrt.push_back(cell->value);
  GradOptions options;
  options.create_graph = flags & JT_GRAD_CREATE_GRAPH;
  options.consume = !(flags & (JT_GRAD_RETAIN_GRAPH | JT_GRAD_CREATE_GRAPH));
  // Several micro-batches peak like one: the sums so far run before the next are added.
  auto is_pending = [](const Cell* c) { return c->grad && !c->grad->value.ref().node->has_run(); };
  if (std::any_of(cells.begin(), cells.end(), is_pending)) eval_all();
  auto grads = gradients(recorder_, loss, {}, wrt, options);
  for (size_t i = 0; i < cells.size(); i++) {
    if (!grads[i]) continue;
    Cell& at = *cells[i];
    if (!at.grad) {
      at.grad = cell(grads[i]);
      continue;
    }
    GradMode mode(recorder_, options.create_graph);
    assign(*at.grad, ops::add(at.grad->value, grads[i]));
  }
}

}  // namespace jt
