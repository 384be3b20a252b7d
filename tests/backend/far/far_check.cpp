#include "tests/backend/far/far_check.h"

#include "tests/backend/far/far_backend.h"
#include "tests/pipeline/support.h"

namespace jt::test {

namespace {

using namespace ops;
using Floats = std::vector<float>;

// A runtime of far devices and, behind them, the CPU.
struct Far {
  std::shared_ptr<Runtime> runtime;
  Context *a, *b;
  explicit Far(int devices = 1, const jt_backend_api* backend = far_backend(), int64_t refuse_after = -1) {
    far_control().seed = 0;  // as late as can be
    far_control().fail_after = -1, far_control().fails_at_once = false, far_control().refuse_after = refuse_after;
    RuntimeOptions o;
    o.flags.cache_dir = "off", o.flags.check = "1", o.flags.cpu_tier = "vm";
    for (int i = 0; i < devices; i++) o.devices.push_back({backend, nullptr, i});
    o.devices.push_back({jt_cpu_backend(), nullptr, 0});
    runtime = std::make_shared<Runtime>(o);
    a = new Context(runtime), b = new Context(runtime);
  }
  ~Far() { a->release(), b->release(); }
};

Value floats(Context* c, const Floats& values) { return c->data({JT_F32, {int64_t(values.size())}}, values.data()); }
Floats read(Context* c, Ref v) {
  const float* at = static_cast<const float*>(host_bytes(c->read(v)));
  return Floats(at, at + v.type().count());
}
std::string differs(const char* what, const Floats& got, const Floats& want) {
  if (got == want) return {};
  return text(what, " gives ", double(got[0]), ", .., not ", double(want[0]), ", ..");
}
Floats counted(size_t n, float from) {
  Floats out(n);
  for (size_t i = 0; i < n; i++) out[i] = from + float(i % 100);
  return out;
}
Floats mapped(Floats in, float (*f)(float)) {
  for (float& x : in) x = f(x);
  return in;
}
// A handle, so that a value of one context can be an operand in another.
struct Held {
  Cell* cell;
  Held(Context* c, const Value& v) : cell(c->cell(v)) {}
  ~Held() { jt::release(cell); }
};
// What reading says.
std::string complaint(Context* c, Ref v) {
  try {
    host_bytes(c->read(v));
    return {};
  } catch (const Error& e) {
    return e.code() == JT_E_DEVICE ? e.message() : "another error: " + e.message();
  }
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

std::string operands_are_copied_once() {
  Far far;
  Floats x = counted(1000, 1);
  Value v = floats(far.a, x);
  int64_t before = far_control().copies_in;
  for (int i = 0; i < 3; i++) {
    std::string wrong = differs("x * 2 + 1", read(far.a, v * 2 + 1), mapped(x, [](float e) { return e * 2 + 1; }));
    if (!wrong.empty()) return wrong;
  }
  int64_t copies = far_control().copies_in - before;
  return copies == 1 ? "" : text("an operand was copied ", copies, " times");
}

std::string another_context_waits(const jt_backend_api* backend) {
  Far far(1, backend);
  Floats x = counted(1000, 1);
  Value source = floats(far.a, x);  // kept: no memory that is used again brings the streams in order
  Held tripled(far.a, source * 3);
  Ref made = far.a->value_of(*tripled.cell);
  far.a->eval({&made, 1});
  Value here;
  {
    Context::Entry inside(*far.b);
    here = add(far.b->operand("test", tripled.cell), floats(far.b, Floats(1000, 1)));
  }
  return differs("x * 3 + 1, elsewhere,", read(far.b, here), mapped(x, [](float e) { return e * 3 + 1; }));
}

std::string memory_is_not_reused_early(const jt_backend_api* backend) {
  Far far(1, backend);
  Floats x = counted(1000, 1);
  Value v = floats(far.a, x) * 3;
  read(far.a, v);  // is there
  Held sum(far.a, v + 1);
  Ref asked = far.a->value_of(*sum.cell);
  far.a->eval({&asked, 1});  // launched; has not run
  v = Value();               // read by nobody but that
  Floats y = counted(1000, 7);
  std::string wrong = differs("y * 5", read(far.b, floats(far.b, y) * 5), mapped(y, [](float e) { return e * 5; }));
  if (!wrong.empty()) return wrong;
  return differs("x * 3 + 1", read(far.a, asked), mapped(x, [](float e) { return e * 3 + 1; }));
}

std::string stages_are_not_reused_early() {
  Far far;
  std::vector<Value> sums;
  for (int i = 0; i < 6; i++) {  // each fills most of a stage
    sums.push_back(floats(far.a, counted(200000, float(i))) + 1);
    Ref r = sums.back();
    far.a->eval({&r, 1});
  }
  for (int i = 0; i < 6; i++) {
    std::string wrong = differs("x + 1", read(far.a, sums[size_t(i)]),
                                mapped(counted(200000, float(i)), [](float e) { return e + 1; }));
    if (!wrong.empty()) return text(i, ": ", wrong);
  }
  return {};
}

std::string late_errors_are_told(const jt_backend_api* backend) {
  Far far(1, backend);
  Floats x = counted(100, 1);
  Value v = floats(far.a, x), fine = v - 1;
  Ref asked = fine;
  far.a->eval({&asked, 1});
  far.a->wait();
  far_control().fail_after = 0;
  Value product = v * 2;
  Ref first = product;
  far.a->eval({&first, 1});  // is well: it has only been launched
  Value sum = product + 1;
  Ref second = sum;
  far.a->eval({&second, 1});
  Value other = v * 7;  // does not depend on it
  Ref third = other;
  far.a->eval({&third, 1});
  for (int i = 0; i < 2; i++) {  // each time
    std::string told = complaint(far.a, second);
    if (!has(told, "as it was told to") || !has(told, "mul") || !has(told, "(computing add f32[100]"))
      return "x * 2 + 1 says: " + told;
    told = complaint(far.a, first);
    if (!has(told, "as it was told to") || !has(told, "(computing mul f32[100]")) return "x * 2 says: " + told;
  }
  Value behind = product * 5;  // recorded when it is known
  if (std::string told = complaint(far.a, behind); !has(told, "as it was told to")) return "x * 2 * 5 says: " + told;
  std::string wrong = differs("x - 1", read(far.a, fine), mapped(x, [](float e) { return e - 1; }));
  if (wrong.empty()) wrong = differs("x * 7", read(far.a, other), mapped(x, [](float e) { return e * 7; }));
  return wrong;
}

std::string waiting_tells_late_errors_once() {
  Far far;
  Held product(far.a, floats(far.a, counted(100, 1)) * 2);
  far_control().fail_after = 0;
  far.a->eval_all();
  try {
    far.a->wait();
    return "nothing was told";
  } catch (const Error& e) {
    if (!has(e.message(), "as it was told to")) return e.message();
  }
  far.a->wait();
  return {};
}

std::string errors_at_once_leave_the_rest() {
  Far far;
  Value v = floats(far.a, counted(100, 1));
  far_control().fails_at_once = true, far_control().fail_after = 0;
  Value product = v * 2;
  try {
    far.a->read(product);
  } catch (const Error& e) {
    return "a failure that passes ends here: " + e.message();
  }
  return differs("x * 2", read(far.a, product), mapped(counted(100, 1), [](float e) { return e * 2; }));
}

std::string several_devices_work_together(const jt_backend_api* backend) {
  Far far(2, backend);
  Floats x = counted(1000, 1);
  Value v = floats(far.a, x), there = far.a->to(v * 2, 1), sum = there + 1;
  far.a->set_device(1);
  Value on_1 = there * there;
  far.a->set_device(2);
  Value on_cpu = on_1 + sum, back = far.a->to(on_cpu, 0);
  far.a->set_device(0);
  Value last = back - v;
  if (on_1.ref().node->device != 1 || on_cpu.ref().node->device != 2 || last.ref().node->device != 0)
    return "a device is not noted";
  std::string wrong =
      differs("(2x)^2 + 2x + 1 - x", read(far.a, last), mapped(x, [](float e) { return 4 * e * e + 2 * e + 1 - e; }));
  if (!wrong.empty()) return wrong;
  if (on_1.ref().node->has_run() &&
      on_1.ref().node->results()[0].buffer->memory != far.runtime->device(1).pool->memory())
    return "a value of device 1 lies elsewhere";
  return differs("x * 2 on device 1", read(far.a, there), mapped(x, [](float e) { return e * 2; }));
}

std::string one_device_fails_and_the_other_goes_on(const jt_backend_api* backend) {
  Far far(2, backend);
  Floats x = counted(100, 1);
  Value v = floats(far.a, x), product = v * 2;
  Ref first = product;
  far_control().fail_after = 0;
  far.a->eval({&first, 1});
  far.a->set_device(1);
  Value other = v * 3, mixed = product + other;
  std::string told = complaint(far.a, mixed);
  if (!has(told, "as it was told to")) return "a value of both says: " + told;
  return differs("x * 3 on the other", read(far.a, other), mapped(x, [](float e) { return e * 3; }));
}

std::string short_memory_is_told() {
  Far far;
  int64_t before = far_control().memory.exchange(1 << 20);
  std::string told;
  try {
    far.a->read(floats(far.a, counted(300000, 1)) * 2);
    told = "nothing was told";
  } catch (const Error& e) {
    bool is_right = e.code() == JT_E_NOMEM && has(e.message(), "1 MiB of device far:0 are free");
    if (!is_right) told = e.message();
  }
  far_control().memory = before;
  if (!told.empty()) return told;
  return differs("x * 2", read(far.a, floats(far.a, counted(300000, 1)) * 2),
                 mapped(counted(300000, 1), [](float e) { return e * 2; }));
}

// A plan fails at its second launch; the first has written over an operand.
std::string what_was_overwritten_is_no_value() {
  Far far;
  Floats x = counted(1000, 1);
  Value v = floats(far.a, x) * 2;
  read(far.a, v);
  Held tripled(far.a, v * 3), total(far.a, sum(floats(far.a, x)));
  v = Value();
  far_control().fails_at_once = true, far_control().fail_after = 1;
  try {
    far.a->eval_all();
  } catch (const Error&) {
  }
  far_control().fails_at_once = false;
  if (std::string told = complaint(far.a, far.a->value_of(*tripled.cell)); !has(told, "as it was told to")) {
    std::string wrong =
        differs("x * 2 * 3", read(far.a, far.a->value_of(*tripled.cell)), mapped(x, [](float e) { return e * 6; }));
    return text("x * 2 * 3 says: ", told, "; ", wrong);
  }
  return differs("x * 5", read(far.a, floats(far.a, x) * 5), mapped(x, [](float e) { return e * 5; }));
}

// What takes memory is refused, each call in turn: the value comes all the same, or an error, and then the value.
std::string refused_calls_leave_the_rest() {
  Floats x = counted(300000, 1);  // more than a stage
  auto training = [&](Context* c) {
    Value a = floats(c, x), b = tanh(a * 2);
    Value m = matmul(reshape(b, {300, 1000}), reshape(a, {1000, 300}));
    Floats out = read(c, sum(m)), more = read(c, b + 1);
    out.push_back(more[7]);
    return out;
  };
  Floats want;
  {
    Far far;
    want = training(far.a);
  }
  for (int64_t at = 0;; at++) {
    try {
      Far far(1, far_backend(), at);
      try {
        if (std::string wrong = differs("a refusal", training(far.a), want); !wrong.empty())
          return text(at, ": ", wrong);
      } catch (const Error& e) {
        if (e.code() != JT_E_NOMEM) return text(at, ": ", e.message());
      }
      if (far_control().refuse_after.exchange(-1) >= 0) return at > 10 ? "" : text("only ", at, " calls take memory");
      if (std::string wrong = differs("after a refusal it", training(far.a), want); !wrong.empty())
        return text(at, ": ", wrong);
    } catch (const Error& e) {  // of the runtime
      if (e.code() != JT_E_NOMEM) return text(at, ": ", e.message());
    }
  }
}

std::string the_cpu_waits_for_late_memory() {
  Far far(1, late_backend());
  Floats x = counted(1000, 1);
  Value doubled = floats(far.a, x) * 2;
  Ref asked = doubled;
  far.a->eval({&asked, 1});
  far.a->set_device(1);
  std::string wrong = differs("x * 2 + 1", read(far.a, doubled + 1), mapped(x, [](float e) { return e * 2 + 1; }));
  if (!wrong.empty()) return wrong;
  far.a->set_device(0);
  Value tripled = doubled * 3;
  asked = tripled;
  far_control().fail_after = 0;
  far.a->eval({&asked, 1});
  far.a->set_device(1);
  std::string told = complaint(far.a, tripled + 1);
  return has(told, "as it was told to") ? "" : "x * 6 + 1 says: " + told;
}

std::string times_are_of_the_device() {
  Far far;
  far.runtime->timing = true;
  Floats x = counted(1000, 1);
  read(far.a, floats(far.a, x) * 2);
  int64_t ns = 0;
  far.runtime->device(0).kernels.each([&](const CompiledKernel& k) { ns += k.time_ns; });
  return ns > 0 ? "" : "a kernel took no time";
}

template <std::string (*check)(const jt_backend_api*)>
std::string when_far() { return check(far_backend()); }
template <std::string (*check)(const jt_backend_api*)>
std::string when_late() { return check(late_backend()); }

}  // namespace

const std::vector<FarCheck>& far_checks() {
  static const std::vector<FarCheck> all = {
      {"operands are copied once", operands_are_copied_once},
      {"another context waits", when_far<another_context_waits>},
      {"memory is not reused early", when_far<memory_is_not_reused_early>},
      {"stages are not reused early", stages_are_not_reused_early},
      {"late errors are told", when_far<late_errors_are_told>},
      {"waiting tells late errors once", waiting_tells_late_errors_once},
      {"errors at once leave the rest", errors_at_once_leave_the_rest},
      {"several devices work together", when_far<several_devices_work_together>},
      {"one device fails and the other goes on", when_far<one_device_fails_and_the_other_goes_on>},
      {"short memory is told", short_memory_is_told},
      {"what was overwritten is no value", what_was_overwritten_is_no_value},
      {"refused calls leave the rest", refused_calls_leave_the_rest},
      {"times are of the device", times_are_of_the_device},
      {"late: another context waits", when_late<another_context_waits>},
      {"late: memory is not reused early", when_late<memory_is_not_reused_early>},
      {"late: errors are told", when_late<late_errors_are_told>},
      {"late: several devices work together", when_late<several_devices_work_together>},
      {"late: one device fails and the other goes on", when_late<one_device_fails_and_the_other_goes_on>},
      {"late: the CPU waits", the_cpu_waits_for_late_memory},
  };
  return all;
}

}  // namespace jt::test
