// A small network trains while every allocation, every file operation and every other system call fails in turn: each
// time an error code with a message or the same result to the bit, never a crash; what was computed before stays
// readable, the context goes on, nothing leaks.
//
//   fault_test                 a slice of all positions, another one each day
//   fault_test --all           every position
//   fault_test --step N        every N-th
//   fault_test --seed S        the slice begins at S
//   fault_test --only K N      the N-th call of kind K alone (faults.h), with a cold cache; break at failed_here to see it
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/fault/faults.h"
#include "tests/fault/small_training.h"

using namespace jt::test;

namespace {

// What went wrong with the library, as opposed to what was made to go wrong.
[[noreturn]] void report(const std::string& what) {
  Faults f = stop();
  std::fprintf(stderr, "FAILED at call %lld (%s) of kinds %u%s: %s\n", (long long)f.fail_at, f.what, f.kinds,
               f.from_then_on ? " and all after it" : "", what.c_str());
  std::exit(1);
}

}  // namespace

// A call that may fail only because of the fault: then it has to say so.
void jt::test::try_call(jt_status status) {
  if (status == JT_OK) return;
  jt_error_info e{sizeof e};
  jt_last_error(&e);
  if (status > 0 || e.code != status || !e.message[0] || !e.function[0])
    report("an error without code, function or message");
  throw Failure{};
}

namespace {

struct Place {
  std::string folder, cache, checkpoint;
  explicit Place(const std::string& root) : folder(root), cache(root + "/cache"), checkpoint(root + "/w.safetensors") {}
  void clear() const {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
  }
};

jt_runtime_desc desc_of(const Place& place) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.alloc = buffer_alloc, desc.free = buffer_free;
  desc.threads = 1;
  desc.cache_dir = place.cache.c_str(), desc.cache_dir_len = JT_NUL;
  return desc;
}

void expect_earlier(jt_context* ctx, jt_tensor* earlier) {
  float three[3] = {};
  if (jt_tensor_read(ctx, earlier, three, sizeof three) != JT_OK) report("an earlier value cannot be read");
  if (three[0] != 1 || three[1] != 4 || three[2] != 9) report("an earlier value changed");
}
void expect_no_litter(const Place& place) {
  for (const auto& entry : std::filesystem::directory_iterator(place.folder))
    if (entry.path() != place.cache && entry.path() != place.checkpoint)
      report("left behind: " + entry.path().string());
}

// Memory of ours as a tensor: given back once if the loan was made, and never if it failed.
struct Borrowed {
  float numbers[3] = {1, 2, 3};
  int lent = 0, released = 0;
};
void lend(jt_context* ctx, Borrowed* borrowed, Handle& out) {
  const int64_t three = 3;
  jt_borrow_desc desc{};
  desc.struct_size = sizeof desc;
  desc.dtype = JT_F32, desc.data = borrowed->numbers, desc.data_len = sizeof borrowed->numbers;
  desc.dims = &three, desc.dims_len = 1;
  desc.release = [](void* user, void*) { static_cast<Borrowed*>(user)->released++; };
  desc.release_user = borrowed;
  try_call(jt_tensor_borrow(ctx, &desc, out.out()));
  borrowed->lent = 1;
}

// One run with the fault; what came of it.
Faults run(const Place& place, Faults faults, const Result& expected, bool is_cache_warm) {
  if (!is_cache_warm) place.clear();
  int64_t live = live_allocations();
  int descriptors = open_descriptors();
  Faults done;
  Borrowed borrowed;
  // Without executable memory kernels are interpreted for good; C source cannot be.
  bool compiles_code = !(faults.kinds & kSystem);
  {
    Session session;
    Handle numbers, earlier;
    Result result;
    bool is_ok = false;
    start(faults);
    try {
      session.open(desc_of(place));
      lend(session.ctx, &borrowed, numbers);
      try_call(jt_square(session.ctx, numbers, earlier.out()));
      try_call(jt_eval(session.ctx, &earlier.t, 1));
      result = train(session.ctx, place.checkpoint, compiles_code);
      is_ok = true;
    } catch (Failure) {
    }
    done = stop();
    if (!is_ok && !done.failed) report("an error without a fault");
    if (is_ok && !(result == expected)) report("no error, but another result");
    if (earlier && jt_tensor_is_ready(earlier)) expect_earlier(session.ctx, earlier);
    if (session.ctx) {  // everything still works
      try {
        if (!(train(session.ctx, place.checkpoint, compiles_code) == expected)) report("another result afterwards");
      } catch (Failure) {
        report(std::string("does not go on: ") + jt_last_error_message());
      }
    }
    if (!faults.from_then_on) expect_no_litter(place);  // else what would remove it fails, too
  }
  if (borrowed.released != borrowed.lent)
    report("borrowed memory was given back " + std::to_string(borrowed.released) + " times");
  if (live_allocations() != live) report("leaked " + std::to_string(live_allocations() - live) + " allocations");
  if (open_descriptors() != descriptors) report("leaked a descriptor");
  return done;
}

struct Options { int64_t step = 0, seed = -1; Faults only; };
Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    std::string arg = argv[i];
    if (arg == "--all") o.step = 1;
    else if (arg == "--step" && i + 1 < argc) o.step = std::atoll(argv[++i]);
    else if (arg == "--seed" && i + 1 < argc) o.seed = std::atoll(argv[++i]);
    else if (arg == "--only" && i + 2 < argc)
      o.only = {unsigned(std::atoi(argv[i + 1])), std::atoll(argv[i + 2])}, i += 2;
    else std::fprintf(stderr, "usage: fault_test [--all | --step N | --only K N] [--seed S]\n"), std::exit(2);
  }
  if (o.seed < 0) o.seed = int64_t(time(nullptr) / 86400);
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  char root[] = "/tmp/jt fault XXXXXX";
  if (!mkdtemp(root)) return 1;
  Place place(root);
  Result expected;
  place.clear();
  {
    Session session;
    session.open(desc_of(place));
    expected = train(session.ctx, place.checkpoint);
  }
  if (options.only.kinds) return !run(place, options.only, expected, false).failed;
  const struct { const char* name; unsigned kinds; int64_t runs;
  } groups[] = {{"operator new", kNew, 60},
                {"buffers", kBuffers, 60},
                {"files", kFiles, 80},
                {"system", kSystem, 40},
                {"clock", kClock, 10}};
  for (auto& group : groups)
    for (bool is_cache_warm : {false, true})
      for (bool from_then_on : {false, true}) {
        run(place, {.kinds = group.kinds}, expected, false);
        Faults count = run(place, {.kinds = group.kinds}, expected, is_cache_warm);
        int64_t step = options.step ? options.step : std::max<int64_t>(1, count.seen / group.runs), failed = 0,
                runs = 0;
        for (int64_t at = 1 + options.seed % step; at <= count.seen; at += step, runs++)
          failed += run(place, {group.kinds, at, from_then_on}, expected, is_cache_warm).failed > 0;
        std::printf("%-12s %s cache, %s: %lld calls, %lld made to fail\n", group.name, is_cache_warm ? "warm" : "cold",
                    from_then_on ? "all from one on" : "one alone", (long long)count.seen, (long long)failed);
        if (failed != runs)
          std::printf("%lld runs ended before their fault came\n", (long long)(runs - failed)), std::exit(1);
      }
  std::filesystem::remove_all(place.folder);
  std::printf("seed %lld: ok\n", (long long)options.seed);
}
