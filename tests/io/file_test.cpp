#include "core/base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/io/scratch.h"

namespace jt::test {

static std::string read_text(const std::string& path, size_t limit = SIZE_MAX,
                             const FileSystem& fs = kFileSystem) {
  Bytes buffer = read_file(path, limit, fs);
  return {buffer.data.get(), buffer.size};
}

TEST(file, what_is_written_is_read_back) {
  Scratch scratch;
  for (const char* name :
       {"plain", "with space", "quo'te\"s", "名字", "-leading", "$(touch x)`y`", "new\nline", "\xff\xfe"}) {
    write_file(scratch / name, "first");
    write_file(scratch / name, "second, longer");
    EXPECT_EQ(read_text(scratch / name), "second, longer") << name;
  }
  EXPECT_EQ(scratch.count(), 8u);
  write_file(scratch / "zero", "");
  EXPECT_EQ(read_text(scratch / "zero"), "");
}

TEST(file, longest_name_is_written) {
  Scratch scratch;
  std::string name(255, 'n');
  write_file(scratch / name, "x");
  EXPECT_EQ(read_text(scratch / name), "x");
}

TEST(file, read_errors_name_path_and_reason) {
  Scratch scratch;
  auto reading = [&](const std::string& path, size_t limit = SIZE_MAX) {
    return error_of([&] { read_file(path, limit); });
  };
  EXPECT_EQ(reading("/nowhere/x"), "cannot read '/nowhere/x': No such file or directory");
  EXPECT_EQ(reading(""), "cannot read '': No such file or directory");
  EXPECT_EQ(reading("/tmp"), "cannot read '/tmp': Is a directory");
  EXPECT_EQ(reading("/dev/zero"), "cannot read '/dev/zero': it is not a regular file");
  EXPECT_EQ(reading(std::string("a\0b", 3)), "cannot read 'a': the path holds a NUL byte");
  put(scratch / "ten", "0123456789");
  EXPECT_EQ(reading(scratch / "ten", 9),
            "cannot read '" + scratch / "ten" + "': it holds 10 bytes, the limit is 9");
  EXPECT_EQ(reading(scratch / "ten", 10), "no error");
  ASSERT_EQ(mkfifo((scratch / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(reading(scratch / "pipe"), "cannot read '" + scratch / "pipe" + "': it is not a regular file");
}

TEST(file, a_file_whose_size_is_not_known_is_read_to_its_end) {
  EXPECT_NE(read_text("/proc/self/maps").find("stack"), std::string::npos);
  EXPECT_NE(error_of([] { read_file("/proc/self/maps", 100); }).find("the limit is 100"), std::string::npos);
}

TEST(file, write_errors_name_path_and_reason) {
  Scratch scratch;
  auto writing = [&](const std::string& path) { return error_of([&] { write_file(path, "x"); }); };
  EXPECT_EQ(writing("/nowhere/x"), "cannot write '/nowhere/x': No such file or directory");
  EXPECT_EQ(writing("/tmp"), "cannot write '/tmp': Is a directory");
  EXPECT_EQ(writing(scratch.path() + "/"), "cannot write '" + scratch.path() + "/': Is a directory");
  EXPECT_EQ(writing(""), "cannot write '': No such file or directory");
  EXPECT_EQ(writing("/dev/full"), "cannot write '/dev/full': No space left on device");
  EXPECT_EQ(writing("/dev/null"), "no error");
  struct stat facts;
  ASSERT_EQ(stat("/dev/full", &facts), 0);
  EXPECT_TRUE(S_ISCHR(facts.st_mode));
  put(scratch / "file", "");
  EXPECT_EQ(writing(scratch / "file/below"),
            "cannot write '" + scratch / "file/below" + "': Not a directory");
}

// Each call in turn, once and from then on, for each reason a disk may give.
TEST(file, a_failed_write_leaves_the_old_file_and_nothing_else) {
  Scratch scratch;
  std::string path = scratch / "checkpoint";
  Fault::none();
  write_file(path, "old", kFaulty);
  Fault::none();
  write_file(path, "old", kFaulty);
  int calls = Fault::calls, failures = 0;
  ASSERT_GE(calls, 9);  // stat, open, open, write, fsync, close, rename, fsync, close
  size_t descriptors = open_descriptors();
  for (int error : {ENOSPC, EIO, EDQUOT, EROFS, EACCES, ENOMEM, ESTALE})
    for (int call = 0; call < calls; call++) {
      put(path, "old");
      Fault::at(call, error);
      std::string message = error_of([&] { write_file(path, "new content", kFaulty); });
      Fault::none();
      bool failed = message != "no error";
      failures += failed;
      EXPECT_EQ(content(path), failed ? "old" : "new content") << "call " << call << ": " << message;
      EXPECT_EQ(scratch.count(), 1u) << "call " << call;
      EXPECT_EQ(open_descriptors(), descriptors) << "call " << call;
    }
  EXPECT_EQ(failures, 7 * (calls - 2));  // the last two come after the rename, when the new file is in place
}

TEST(file, a_disk_that_stays_broken_cannot_harm_the_old_file) {
  Scratch scratch;
  std::string path = scratch / "checkpoint";
  put(path, "old");
  Fault::none();
  write_file(path, "old", kFaulty);
  int calls = Fault::calls;
  for (int call = 0; call < calls; call++) {
    Fault::at(call, EIO, true);
    std::string message = error_of([&] { write_file(path, "old", kFaulty); });
    Fault::none();
    EXPECT_EQ(content(path), "old") << message;
    // The temporary stays behind only here, where removing it fails too.
    for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
      if (entry.path() != path) std::filesystem::remove(entry.path());
  }
}

TEST(file, a_full_disk_is_told_with_path_and_reason) {
  Scratch scratch;
  std::string path = scratch / "checkpoint";
  put(path, "old");
  Fault::at(3, ENOSPC);  // the first write
  try {
    write_file(path, "new", kFaulty);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "cannot write '" + path + "': No space left on device");
    EXPECT_EQ(error.code(), JT_E_IO);
    EXPECT_EQ(error.native(), ENOSPC);
  }
  Fault::none();
  EXPECT_EQ(content(path), "old");
}

TEST(file, short_reads_and_writes_and_interruptions_do_not_show) {
  Scratch scratch;
  std::string path = scratch / "x", bytes(1000, 'b');
  Fault::none();
  Fault::most_per_call = 7;
  write_file(path, bytes, kFaulty);
  EXPECT_EQ(read_text(path, SIZE_MAX, kFaulty), bytes);
  for (int call = 0; call < 9; call++) {
    Fault::at(call, EINTR);
    std::string message = error_of([&] { write_file(path, bytes, kFaulty); });
    bool is_restartable = call == 1 || call == 2 || call == 3 || call == 5;  // opens, write, close
    EXPECT_EQ(message == "no error", is_restartable || call >= 7) << call << message;
  }
  Fault::none();
}

TEST(file, every_failing_call_of_a_read_is_an_error) {
  Scratch scratch;
  put(scratch / "x", "abc");
  size_t descriptors = open_descriptors();
  for (int call = 0; call < 4; call++) {  // open, fstat, read, read
    Fault::at(call, EIO);
    EXPECT_EQ(error_of([&] { read_file(scratch / "x", SIZE_MAX, kFaulty); }),
              "cannot read '" + scratch / "x" + "': Input/output error");
  }
  Fault::none();
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST(file, readers_beside_a_writer_see_whole_files) {
  Scratch scratch;
  std::string path = scratch / "x", a(100'000, 'a'), b(50'000, 'b');
  write_file(path, a);
  PrivateFolder folder(scratch.path());
  std::thread writer([&] {
    for (int i = 0; i < 200; i++) {
      ByteView part = view_of(i % 2 ? a : b);
      folder.write("x", std::span(&part, 1));
    }
  });
  int torn = 0;
  for (int i = 0; i < 200; i++) {
    std::string seen = read_text(path);
    torn += seen != a && seen != b;
  }
  writer.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(scratch.count(), 1u);
}

// ---- private folders ----

static void write_in(const PrivateFolder& folder, const std::string& name, std::string_view bytes) {
  ByteView part = view_of(bytes);
  folder.write(name, std::span(&part, 1));
}

TEST(private_folder, is_made_with_its_parents_and_closed_to_others) {
  Scratch scratch;
  PrivateFolder folder(scratch / "a/b/jt/");
  struct stat facts;
  ASSERT_EQ(stat((scratch / "a/b/jt").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
  write_in(folder, "entry", "bytes");
  ASSERT_EQ(stat((scratch / "a/b/jt/entry").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  Bytes back = folder.read("entry");
  EXPECT_EQ(std::string(back.data.get(), back.size), "bytes");
  auto entries = folder.entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "entry");
  EXPECT_EQ(entries[0].size, 5u);
  folder.remove("entry");
  folder.remove("entry");
  EXPECT_TRUE(folder.entries().empty());
  EXPECT_EQ(error_of([&] { folder.read("entry"); }),
            "cannot read '" + scratch / "a/b/jt/entry" + "': No such file or directory");
}

TEST(private_folder, is_refused_with_the_reason) {
  Scratch scratch;
  auto opening = [&](const std::string& path) { return error_of([&] { PrivateFolder folder(path); }); };
  auto refused = [&](const std::string& name, const std::string& why) {
    EXPECT_EQ(opening(scratch / name), "cannot use folder '" + scratch / name + "': " + why);
  };
  std::filesystem::create_directory(scratch / "real");
  std::filesystem::create_symlink(scratch / "real", scratch / "link");
  std::filesystem::create_symlink("nowhere", scratch / "dangling");
  put(scratch / "file", "");
  refused("link", "it is a link or not a folder");
  refused("dangling", "it is a link or not a folder");
  refused("file", "it is a link or not a folder");
  for (mode_t mode : {0777, 0720, 0702, 01777}) {
    ASSERT_EQ(chmod((scratch / "real").c_str(), mode), 0);
    refused("real", "group or others may write to it");
  }
  if (geteuid() != 0) return;
  ASSERT_EQ(chmod((scratch / "real").c_str(), 0700), 0);
  ASSERT_EQ(chown((scratch / "real").c_str(), 12345, 12345), 0);
  refused("real", "it belongs to user 12345, this process is user 0");
}

TEST(private_folder, does_not_read_what_others_could_have_placed) {
  Scratch scratch;
  PrivateFolder folder(scratch / "jt");
  auto reading = [&](const std::string& name) { return error_of([&] { folder.read(name); }); };
  std::string path = scratch / "jt/entry";
  write_in(folder, "entry", "x");
  std::filesystem::create_symlink("entry", scratch / "jt/link");
  EXPECT_NE(reading("link"), "no error");
  ASSERT_EQ(mkfifo((scratch / "jt/pipe").c_str(), 0600), 0);
  EXPECT_NE(reading("pipe"), "no error");
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(reading("entry"), "cannot read '" + path + "': group or others may write to it");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  std::filesystem::create_hard_link(path, scratch / "twin");
  EXPECT_EQ(reading("entry"), "cannot read '" + path + "': it has 2 links, 1 expected");
  for (const char* name : {"", ".", "..", "../twin", "a/b"}) EXPECT_NE(reading(name), "no error") << name;
}

TEST(private_folder, keeps_to_the_folder_it_opened) {
  Scratch scratch;
  PrivateFolder folder(scratch / "jt");
  write_in(folder, "entry", "mine");
  std::filesystem::rename(scratch / "jt", scratch / "moved");
  std::filesystem::create_directory(scratch / "jt");
  put(scratch / "jt/entry", "foreign");
  Bytes back = folder.read("entry");
  EXPECT_EQ(std::string(back.data.get(), back.size), "mine");
}

TEST(private_folder, every_failing_call_is_an_error_or_without_effect) {
  Scratch scratch;
  size_t descriptors = open_descriptors();
  auto use = [&] {
    PrivateFolder folder(scratch / "p/jt", kFaulty);
    write_in(folder, "entry", "x");
    Bytes back = folder.read("entry");
    EXPECT_EQ(std::string(back.data.get(), back.size), "x");
    folder.entries();
    folder.remove("entry");
  };
  for (bool stays : {false, true})
    for (int error : {EIO, EACCES, EROFS, ENOSPC, ENOENT})
      for (int call = 0; call < 40; call++) {
        Fault::at(call, error, stays);
        error_of(use);
        Fault::none();
        EXPECT_EQ(open_descriptors(), descriptors) << call;
        EXPECT_EQ(error_of(use), "no error") << call;
        Fault::none();
      }
}

TEST(cache_path, follows_the_user_s_settings) {
  EXPECT_EQ(cache_path("/x y", "/home/u"), "/x y/jt");
  EXPECT_EQ(cache_path("relative", "/home/u"), "/home/u/.cache/jt");
  EXPECT_EQ(cache_path("", "/home/u"), "/home/u/.cache/jt");
  EXPECT_EQ(cache_path(nullptr, nullptr), "");
  EXPECT_EQ(cache_path(nullptr, "relative"), "");
}

}  // namespace jt::test
