#include "core/context.h"

#include <cstring>

#include "core/grad/grad.h"
#include "core/planner.h"

namespace jt {

constexpr int64_t kMaxPending = 65536;  // a loop that never looks at its values still runs in bounded memory

// An address that differs between threads and costs nothing to get.
static uintptr_t this_thread() {
  static thread_local char here;
  return reinterpret_cast<uintptr_t>(&here);
}

Context::Context(std::shared_ptr<Runtime> runtime)
    : runtime_(std::move(runtime)), planner_(std::make_unique<Planner>(recorder_, *runtime_)) {}

Context::~Context() { planner_.reset(); }

Context::Entry::Entry(Context& context) : context_(context) {
  uintptr_t nobody = 0, me = this_thread();
  outermost_ = context.thread_.compare_exchange_strong(nobody, me, std::memory_order_acquire);
  if (!outermost_ && nobody != me) fail(JT_E_BUSY, "the context is in use by another thread");
  if (context.dead_.load(std::memory_order_relaxed)) context.bury_dead_cells();
}

Context::Entry::~Entry() {
  if (outermost_) context_.thread_.store(0, std::memory_order_release);
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
  Cell* cell = new Cell;
  cell->context = this;
  retain();
  point(*cell, value);
  return cell;
}

// The last handle may go on any thread: the cell waits in a list until its context is entered again.
void release(Cell* cell) {
  if (!cell || cell->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Context* context = cell->context;
  Cell* first = context->dead_.load(std::memory_order_relaxed);
  do cell->next_dead = first;
  while (!context->dead_.compare_exchange_weak(first, cell, std::memory_order_release, std::memory_order_relaxed));
  uintptr_t nobody = 0, me = this_thread();
  if (context->thread_.compare_exchange_strong(nobody, me, std::memory_order_acquire)) {
    context->retain();
    context->bury_dead_cells();
    context->thread_.store(0, std::memory_order_release);
    context->release();
  }
}

void Context::bury_dead_cells() {
  Cell* cell = dead_.exchange(nullptr, std::memory_order_acquire);
  while (cell) {
    Cell* next = cell->next_dead;
    Ref ref = cell->value;
    ref.node->results()[ref.result].handles--;
    if (cell->grad) jt::release(cell->grad);
    delete cell;
    int32_t before = refs_.fetch_sub(1, std::memory_order_acq_rel);
    (void)before;  // whoever buries holds a count of his own
    cell = next;
    if (!cell) cell = dead_.exchange(nullptr, std::memory_order_acquire);
  }
}

void Context::release() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

Ref Context::operand(std::string_view who, const Cell* cell) {
  if (!cell) fail(JT_E_INVALID, who, ": a tensor is NULL");
  Ref ref = cell->value;
  if (cell->context == this) return ref;
  Result& r = ref.node->results()[ref.result];
  if (!r.buffer || &cell->context->runtime() != runtime_.get())
    fail(JT_E_WRONG_CONTEXT, who, ": a tensor of another context has not been evaluated");
  fail(JT_E_WRONG_CONTEXT, who, ": a tensor belongs to another context; share it first");
}

void Context::assign(Cell& cell, const Value& value) {
  if (cell.type.dtype != value.dtype() || !same_extents(cell.type.shape, value.shape()))
    fail(JT_E_SHAPE, "assign: a tensor of ", cell.type, " cannot become ", value.type());
  point(cell, value);
  if (cell.requires_grad) value.ref().node->flags |= kGradLeaf;
}

void Context::set_requires_grad(Cell& cell, bool requires_grad) {
  if (requires_grad && !is_float(cell.type.dtype))
    fail(JT_E_DTYPE, "requires_grad: ", cell.type.dtype, " is not a floating-point dtype");
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

void Context::eval(std::span<const Ref> asked) { planner_->eval(asked); }
void Context::eval_all() { planner_->eval({}); }

void Context::flush_if_large() {
  if (recorder_.pending_count() > kMaxPending && flush_limit_) eval_all();
}

Buffer* Context::read(Ref value) {
  Result& r = value.node->results()[value.result];
  if (!r.buffer) eval({&value, 1});
  if (!r.buffer) fail(JT_E_INTERNAL, "eval: ", name(value.node->op), " did not run");
  return r.buffer;
}

const std::string& Context::dump() const { return planner_->dump; }

}  // namespace jt
