// driver: the state behind the driver API: devices, contexts, streams of operations that wait, events, modules,
// findings.
//
// One lock holds for the length of every call. Operations run on the thread of the call that waits for them.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>

#include "tests/fakegpu/decode.h"
#include "tests/fakegpu/fakegpu.h"

namespace fakegpu {

enum Result : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinary = 209,
  kInvalidPtx = 218,
  kUnsupportedPtxVersion = 222,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kContextDestroyed = 709,
  kStreamCaptureUnsupported = 900,
  kStreamCaptureInvalidated = 901,
  kStreamCaptureUnjoined = 904,
  kStreamCaptureIsolation = 905,
  kGraphExecUpdateFailure = 910,
};
const char* result_name(int result);  // nullptr: unknown

struct Stream;
struct Device;
struct Graph;
using StreamRef = std::shared_ptr<Stream>;
struct Place { StreamRef stream; uint64_t position; };  // once the operation of that number is done

struct Operation {
  std::string what;
  std::function<void()> run = {};   // throws KernelFault; none: it only waits
  std::vector<Place> after = {};
  Clock clock = {};
  std::shared_ptr<Launch> launch = {};                  // of a kernel
  void* function = nullptr;                             // its handle
};

struct Stream {
  Device* device = nullptr;
  bool is_blocking = true, is_null = false;             // blocking: in turn with the null stream
  std::deque<Operation> queue;
  uint64_t issued = 0, done = 0;
  uint32_t number = 0;                                  // among all streams
  Clock clock;                                          // of its last operation
  std::shared_ptr<Graph> capture;                       // operations go there instead
  bool is_capture_origin = false;
  uint64_t captured = 0;
};

struct Event {
  Device* device = nullptr;
  bool has_timing = true, is_recorded = false;
  StreamRef stream;
  uint64_t position = 0;
  Clock clock;
  std::shared_ptr<double> time;                         // of the last record, once it ran
  std::shared_ptr<Graph> capture;                       // recorded in one
};

struct LoadedModule;
struct LoadedFunction {
  LoadedModule* module = nullptr;
  std::shared_ptr<const Kernel> kernel;
  void* handle = nullptr;
  int dynamic_shared_limit = 48 << 10;
  uint64_t pending = 0;                                 // launches that wait
};
struct LoadedModule {
  Device* device = nullptr;
  std::shared_ptr<const Module> text;
  Addresses addresses;
  std::map<std::string, LoadedFunction> functions;
};

struct Graph {
  Device* device = nullptr;
  std::vector<Operation> nodes;                         // in an order that their dependences allow
  std::set<Stream*> streams, unjoined;
  bool is_invalid = false;
};

struct Device {
  int index = 0;
  std::unique_ptr<DeviceMemory> memory;
  int retained = 0, sticky = 0;
  StreamRef null_stream;
  std::vector<StreamRef> streams;                       // living, and destroyed ones with operations left
};

struct Failure { uint64_t call; int error; bool stays; };

struct State {
  std::recursive_mutex mutex;
  bool is_initialized = false;
  int capability = 90, multiprocessors = 4, driver_version = 13050;
  uint64_t instruction_limit = 100'000'000, total_memory = 8ull << 30;
  bool reversed = false, quiet = false, copies_unwritten = false, eager = false;
  std::optional<std::mt19937_64> random;
  // past: contexts of before a restart stay valid to ask about
  std::vector<std::unique_ptr<Device>> devices, past_devices;
  OperationOrder order;
  Clock host_clock;                               // how far the host has waited
  uint32_t stream_count = 0;
  std::vector<std::string> findings;
  std::map<std::string, uint64_t> calls;
  std::vector<std::string> call_order;
  std::map<std::string, std::vector<Failure>> failures;
  std::map<std::string, Counters> counters;
  std::vector<std::string> kernel_order;
  // Handles are numbers that are never given twice: one that is in no table was destroyed, or never was.
  uint64_t next_handle = 0x1000;
  std::unordered_map<void*, StreamRef> streams;
  std::unordered_map<void*, std::shared_ptr<Event>> events;
  std::unordered_map<void*, std::unique_ptr<LoadedModule>> modules;
  std::unordered_map<void*, LoadedFunction*> functions;
  std::unordered_map<void*, std::shared_ptr<Graph>> graphs, graph_execs;
  std::map<uint8_t*, uint64_t> pinned;
};
State& state();

// The beginning of a call: takes the lock, counts it and lets it fail if it is to. `needs`: what has to be there.
enum class Needs { kNothing, kInit, kContext };
struct Call {
  Call(const char* name, Needs needs);
  int error = 0;
  std::unique_lock<std::recursive_mutex> lock;
};
#define FAKEGPU_CALL(name, needs)    \
  ::fakegpu::Call call(#name, needs); \
  if (call.error) return call.error

void find(const std::string& what);                     // a finding
int misuse(int error, const std::string& what);         // a finding and its error
Device* current_device();                               // nullptr: no context is current
void set_current_device(Device* device);

void* new_handle();
// What a handle stands for; nullptr, and a finding, if nothing.
StreamRef stream_of(void* handle, const char* caller);
std::shared_ptr<Event> event_of(void* handle, const char* caller);
LoadedFunction* function_of(void* handle, const char* caller);

int enqueue(const StreamRef& stream, Operation operation);  // runs it at once if the schedule says so
void run_to(const StreamRef& stream, uint64_t position);
bool run_one(const StreamRef& stream);
void run_device(Device& device);
int wait_for(const StreamRef& stream);                      // all of it, and the sticky error
void note_launch(const std::string& kernel, const Counters& counters);
bool is_pinned(const void* p, uint64_t bytes);
Device* device_of(uint64_t address);                        // nullptr: it is no address of a device
int capture_wait(const StreamRef& stream, const Event& event);

}  // namespace fakegpu

#define FAKEGPU_API extern "C" __attribute__((visibility("default")))
