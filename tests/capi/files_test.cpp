// Checkpoints and data sets through the C API.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/capi/capi.h"

using namespace jt::test;

// A folder that goes when the test ends.
struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/jt_files_XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { (void)!std::system(("rm -rf '" + path + "'").c_str()); }
  std::string operator/(const char* name) const { return path + "/" + name; }
};
static std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
static void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
static jt_error_info error() {
  jt_error_info e{sizeof e};
  jt_last_error(&e);
  return e;
}

TEST(Checkpoint, GivesBackWhatWasSaved) {
  Session s;
  Folder folder;
  std::string path = folder / "model.safetensors";
  Tensor a = s.floats({2, 2}, {1, 2, 3, 4}), b = s.of<int64_t>(JT_I64, {}, {-9});
  Tensor c = s.make(jt_add, a, a);  // pending
  const char* names[3] = {"layer.weight", "steps", "twice"};
  jt_tensor* tensors[3] = {a, b, c};
  must(jt_checkpoint_save(s.ctx, path.c_str(), JT_NUL, names, tensors, 3));

  jt_checkpoint* file = nullptr;
  must(jt_checkpoint_open(path.c_str(), path.size(), &file));
  EXPECT_EQ(jt_checkpoint_count(file), 3u);
  EXPECT_EQ(jt_checkpoint_name(file, 3), nullptr);
  EXPECT_EQ(s.read(s.make(jt_checkpoint_load, file, "twice", JT_NUL)), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(s.item(s.make(jt_checkpoint_load, file, "steps...", 5)), -9);
  for (size_t i = 0; i < 3; i++) s.make(jt_checkpoint_load, file, jt_checkpoint_name(file, i), JT_NUL);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_checkpoint_load(s.ctx, file, "layer.bias", JT_NUL, &out), JT_E_NOT_FOUND);
  EXPECT_NE(last_message().find("layer.bias"), std::string::npos);
  jt_checkpoint_release(file);
}
TEST(Checkpoint, ThatCannotBeWrittenLeavesTheOldOne) {
  Session s;
  Folder folder;
  std::string path = folder / "model.safetensors", missing = folder / "no/such/model";
  const char* name = "w";
  Tensor one = s.floats({1}, {1}), two = s.floats({1}, {2});
  must(jt_checkpoint_save(s.ctx, path.c_str(), JT_NUL, &name, &one.handle, 1));
  std::string before = content(path);
  EXPECT_EQ(jt_checkpoint_save(s.ctx, missing.c_str(), JT_NUL, &name, &two.handle, 1), JT_E_IO);
  EXPECT_EQ(error().native_code, ENOENT);
  EXPECT_NE(last_message().find(missing), std::string::npos) << last_message();
  const char* twice[2] = {"w", "w"};
  jt_tensor* both[2] = {one, two};
  EXPECT_EQ(jt_checkpoint_save(s.ctx, path.c_str(), JT_NUL, twice, both, 2), JT_E_INVALID);
  EXPECT_EQ(content(path), before);
}
TEST(Checkpoint, ThatIsDamagedOrMissingIsRefused) {
  Session s;
  Folder folder;
  std::string path = folder / "model.safetensors";
  const char* name = "w";
  Tensor one = s.floats({64}, std::vector<float>(64, 1));
  must(jt_checkpoint_save(s.ctx, path.c_str(), JT_NUL, &name, &one.handle, 1));
  std::string whole = content(path);
  jt_checkpoint* file = nullptr;
  for (size_t keep : {size_t(0), size_t(4), size_t(20), whole.size() / 2, whole.size() - 1}) {
    write(path, whole.substr(0, keep));
    EXPECT_EQ(jt_checkpoint_open(path.c_str(), JT_NUL, &file), JT_E_IO) << keep;
    EXPECT_EQ(file, nullptr);
    EXPECT_NE(last_message().find(path), std::string::npos) << last_message();
  }
  EXPECT_EQ(jt_checkpoint_open((folder / "none").c_str(), JT_NUL, &file), JT_E_IO);
  EXPECT_EQ(error().native_code, ENOENT);
}

static std::string idx(uint8_t type, std::initializer_list<uint8_t> dims, const std::string& data) {
  std::string out = {0, 0, char(type), char(dims.size())};
  for (uint8_t d : dims) out += std::string(3, '\0') + char(d);
  return out + data;
}
TEST(Idx, HasTheDtypeAndShapeThatItStates) {
  Session s;
  Folder folder;
  std::string path = folder / "images";
  write(path, idx(0x08, {2, 3}, "abcdef"));
  Tensor t = s.make(jt_idx_load, path.c_str(), JT_NUL);
  EXPECT_EQ(jt_tensor_dtype(t), JT_U8);
  EXPECT_EQ(jt_tensor_dim(t, 1), 3);
  EXPECT_EQ(s.read<char>(t), (std::vector<char>{'a', 'b', 'c', 'd', 'e', 'f'}));
  write(path, idx(0x0B, {2}, std::string{0, 5, char(0xff), char(0xfe)}));  // big-endian i16
  EXPECT_EQ(s.read<int16_t>(s.make(jt_idx_load, path.c_str(), JT_NUL)), (std::vector<int16_t>{5, -2}));
}
TEST(Idx, ThatIsTruncatedOrMissingIsRefused) {
  Session s;
  Folder folder;
  std::string path = folder / "images", whole = idx(0x08, {2, 3}, "abcdef");
  jt_tensor* out = nullptr;
  for (size_t keep = 0; keep < whole.size(); keep++) {
    write(path, whole.substr(0, keep));
    EXPECT_EQ(jt_idx_load(s.ctx, path.c_str(), JT_NUL, &out), JT_E_IO) << keep;
    EXPECT_NE(last_message().find(path), std::string::npos) << last_message();
  }
  EXPECT_EQ(jt_idx_load(s.ctx, (folder / "none").c_str(), JT_NUL, &out), JT_E_IO);
  EXPECT_EQ(error().native_code, ENOENT);
  write(path, idx(0x08, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "a"));
  EXPECT_EQ(jt_idx_load(s.ctx, path.c_str(), JT_NUL, &out), JT_E_IO);
}
TEST(Files, EmptyAndNulPathsAreRefused) {
  Session s;
  jt_tensor* out = nullptr;
  jt_checkpoint* file = nullptr;
  EXPECT_LT(jt_idx_load(s.ctx, "", 0, &out), 0);
  EXPECT_LT(jt_idx_load(s.ctx, "a\0b", 3, &out), 0);
  EXPECT_LT(jt_checkpoint_open("a\0b", 3, &file), 0);
}

// ---- files obey what values obey ------------------------------------------------------------------------------------

// A number of /proc/self/NAME by its key.
static int64_t own(const char* name, const std::string& key) {
  std::ifstream in(std::string("/proc/self/") + name);
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1));
  return -1;
}

// 256 MB of zeros as u8 [256,1024,1024], packed to a quarter of one.
static std::string packed_zeros(const Folder& folder) {
  std::string path = folder / "zeros.gz";
  std::string make =
      "(printf '\\000\\000\\010\\003\\000\\000\\001\\000\\000\\000\\004\\000\\000\\000\\004\\000'; head -c 268435456 "
      "/dev/zero) | gzip -1 > '" +
      path + "'";
  EXPECT_EQ(std::system(make.c_str()), 0);
  return path;
}

TEST(Idx, AFileThatUnpacksBeyondTheMemoryLimitStopsThere) {
  Folder folder;
  std::string path = packed_zeros(folder);
  jt_tensor* out = nullptr;
  {
    Session s(JT_RT_NO_DISK_CACHE, nullptr, int64_t(16) << 20);
    write("/proc/self/clear_refs", "5");  // the peak begins anew
    int64_t before = own("status", "VmRSS");
    EXPECT_EQ(jt_idx_load(s.ctx, path.c_str(), JT_NUL, &out), JT_E_NOMEM);
    EXPECT_NE(last_message().find("limit"), std::string::npos) << last_message();
    EXPECT_EQ(out, nullptr);
    EXPECT_LT(own("status", "VmHWM") - before, 16 << 10);
  }
  Session s;
  write("/proc/self/clear_refs", "5");
  int64_t before = own("status", "VmRSS");
  Tensor x = s.make(jt_idx_load, path.c_str(), JT_NUL);
  EXPECT_EQ(x.count(), 268435456);
  EXPECT_LT(own("status", "VmHWM") - before, (256 + 32) << 10) << "the file or its values are there twice";
}

// The header of a checkpoint of 3 GB and a scalar behind it; the rest of the file is a hole.
static std::string large_checkpoint(const Folder& folder) {
  std::string path = folder / "large.safetensors";
  std::string json = "{\"large\":{\"dtype\":\"F32\",\"shape\":[805306368],\"data_offsets\":[0,3221225472]},"
                     "\"small\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[3221225472,3221225476]}}";
  std::string length(8, 0);
  length[0] = char(json.size());
  write(path, length + json);
  EXPECT_EQ(truncate(path.c_str(), off_t(8 + json.size() + 3221225476)), 0);
  return path;
}

TEST(Checkpoint, AScalarIsReadWithoutTheRest) {
  Folder folder;
  std::string path = large_checkpoint(folder);
  Session s(JT_RT_NO_DISK_CACHE, nullptr, int64_t(1) << 20);
  int64_t before = own("io", "rchar");
  jt_checkpoint* file = nullptr;
  must(jt_checkpoint_open(path.c_str(), JT_NUL, &file));
  EXPECT_EQ(s.item(s.make(jt_checkpoint_load, file, "small", JT_NUL)), 0);
  EXPECT_LT(own("io", "rchar") - before, 1 << 20);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_checkpoint_load(s.ctx, file, "large", JT_NUL, &out), JT_E_NOMEM) << last_message();
  EXPECT_EQ(truncate(path.c_str(), 1000), 0);
  EXPECT_EQ(jt_checkpoint_load(s.ctx, file, "small", JT_NUL, &out), JT_E_IO) << "it ended meanwhile";
  EXPECT_NE(last_message().find(path), std::string::npos) << last_message();
  jt_checkpoint_release(file);
}

TEST(Files, ValuesLieInMemoryOfTheHosts) {
  Folder folder;
  std::string idx = folder / "x.idx", saved = folder / "x.safetensors";
  write(idx, std::string("\0\0\x08\x01\0\0\x27\x10", 8) + std::string(10000, 'x'));
  static int64_t bytes;
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = JT_RT_NO_DISK_CACHE;
  desc.alloc = [](void*, size_t size, size_t align) {
    bytes += int64_t(size);
    return std::aligned_alloc(align, (size + align - 1) / align * align);
  };
  desc.free = [](void*, void* memory, size_t, size_t) { std::free(memory); };
  Session s(desc);
  bytes = 0;
  Tensor x = s.make(jt_idx_load, idx.c_str(), JT_NUL);
  EXPECT_GE(bytes, 10000);
  const char* name = "x";
  must(jt_checkpoint_save(s.ctx, saved.c_str(), JT_NUL, &name, &x.handle, 1));
  jt_checkpoint* file = nullptr;
  must(jt_checkpoint_open(saved.c_str(), JT_NUL, &file));
  bytes = 0;
  Tensor y = s.make(jt_checkpoint_load, file, "x", JT_NUL);
  EXPECT_GE(bytes, 10000);
  EXPECT_EQ(s.read<uint8_t>(y), std::vector<uint8_t>(10000, 'x'));
  jt_checkpoint_release(file);
}
