// An entry of the cache is the image or a miss: whatever is changed, cut off or added.
#include "backends/cuda_nvrtc/image_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/text.h"

namespace jt::test {

namespace {

using cuda::Image;
using cuda::ImageStore;

std::string folder(const char* name) {
  return text(testing::TempDir(), "jt_image_store_", name, "_", int64_t(getpid()));
}

}  // namespace

TEST(ImageStore, GivesBackWhatWasSaved) {
  ImageStore store(folder("saved"));
  EXPECT_FALSE(store.load("a key"));
  store.save("a key", {std::string("image\0of it", 11), "a log"});
  std::optional<Image> found = store.load("a key");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, std::string("image\0of it", 11));
  EXPECT_EQ(found->log, "a log");
  EXPECT_FALSE(store.load("another"));
  store.drop("a key");
  EXPECT_FALSE(store.load("a key"));
  store.drop("a key");
}

TEST(ImageStore, EveryChangedByteIsAMiss) {
  std::string path = folder("changed");
  ImageStore store(path);
  store.save("key", {"image", "log"});
  std::string file = path + "/" + ImageStore::file_name("key");
  Bytes whole = read_file(file);
  std::string good(whole.data.get(), whole.size);
  PrivateFolder writer(path);
  auto put = [&](const std::string& content) {
    ByteView part = view_of(content);
    writer.write(ImageStore::file_name("key"), {&part, 1});
  };
  for (size_t at = 0; at < good.size(); at++)
    for (int bit = 0; bit < 8; bit++) {
      std::string bad = good;
      bad[at] = char(bad[at] ^ 1 << bit);
      put(bad);
      EXPECT_FALSE(store.load("key")) << "byte " << at << ", bit " << bit;
    }
  for (size_t length = 0; length < good.size(); length++) {
    put(good.substr(0, length));
    EXPECT_FALSE(store.load("key")) << length << " bytes";
  }
  put(good + "x");
  EXPECT_FALSE(store.load("key"));
  put(good);
  EXPECT_TRUE(store.load("key"));
}

TEST(ImageStore, TwoProcessesFillOneFolder) {
  std::string path = folder("two");
  pid_t children[2];
  for (pid_t& child : children) {
    child = fork();
    if (child) continue;
    int wrong = 0;
    try {
      ImageStore store(path);
      for (int i = 0; i < 500; i++) {
        std::string key = text("key ", i % 20), image(size_t(100 + i % 20), char('a' + i % 20));
        std::optional<Image> found = store.load(key);
        wrong += found && found->bytes != image;
        store.save(key, {image, ""});
      }
    } catch (...) {
      wrong++;
    }
    _exit(wrong ? 1 : 0);
  }
  for (pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(ImageStore(path).load("key 7"));
}

TEST(ImageStore, AFolderThatOthersMayWriteIsRefused) {
  std::string path = folder("open");
  { ImageStore store(path); }
  ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  EXPECT_THROW(ImageStore store(path), std::exception);
}

}  // namespace jt::test
