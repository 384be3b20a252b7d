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
