// file: the one place that touches the file system: whole files in, whole files out, and private folders.
//
// Paths are bytes (UTF-8 by convention), handed to the kernel as they are; no shell, no locale. A failure is
// an Error with JT_E_IO whose text names the path and the reason: `cannot read 'x': No such file or
// directory`; native() is the errno. Every system call goes through a FileSystem, a table that a test
// replaces to make each call fail in turn.
#pragma once
#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace jt {

struct FileSystem {
  int (*openat)(int folder, const char* path, int flags, mode_t mode);
  int (*fstatat)(int folder, const char* path, struct stat* out, int flags);
  int (*fstat)(int fd, struct stat* out);
  ssize_t (*read)(int fd, void* to, size_t size);
  ssize_t (*write)(int fd, const void* from, size_t size);
  int (*fsync)(int fd);
  int (*close)(int fd);
  int (*renameat)(int from_folder, const char* from, int to_folder, const char* to);
  int (*unlinkat)(int folder, const char* path, int flags);
  int (*mkdirat)(int folder, const char* path, mode_t mode);
  DIR* (*fdopendir)(int fd);
  dirent* (*readdir)(DIR* listing);
  int (*closedir)(DIR* listing);
  uid_t (*geteuid)();
  ssize_t (*pread)(int fd, void* to, size_t size, off_t at);
};
// The system's own calls.
extern const FileSystem kFileSystem;

using ByteView = std::span<const char>;
inline ByteView view_of(std::string_view text) { return {text.data(), text.size()}; }

// Owned bytes, not zeroed, aligned for any scalar.
struct Bytes {
  std::unique_ptr<char[]> data;
  size_t size = 0;
  ByteView view() const { return {data.get(), size}; }
};
Bytes make_bytes(size_t size);

// The whole of a regular file; an error if it holds more than `limit` bytes. Never waits on a pipe or device.
Bytes read_file(const std::string& path, size_t limit = SIZE_MAX, const FileSystem& fs = kFileSystem);

// A regular file held open, of which what is wanted is read. Any thread; calls do not disturb each other.
class FileReader {
 public:
  explicit FileReader(const std::string& path, const FileSystem& fs = kFileSystem);
  FileReader(const FileReader&) = delete;
  ~FileReader();
  uint64_t size() const { return size_; }  // when it was opened
  const std::string& path() const { return path_; }
  // Up to `size` bytes from `at` on; fewer only where the file ends.
  size_t read(uint64_t at, char* to, size_t size) const;

 private:
  const FileSystem& fs_;
  const std::string path_;
  int fd_;
  uint64_t size_ = 0;
};

// Replaces the file at `path` by the joined parts, or leaves it as it was: an error means that the old file
// (or its absence) is intact and no temporary is left; otherwise every reader sees the old bytes or the new
// ones, also after a power cut. A symbolic link is itself replaced. A character device (/dev/stdout) is
// written in place.
void write_file(const std::string& path, std::span<const ByteView> parts, const FileSystem& fs = kFileSystem);
void write_file(const std::string& path, std::string_view content, const FileSystem& fs = kFileSystem);

// A folder that only this user can change, held open: files in it are reached through the descriptor, so
// nobody can swap the folder or plant a link between check and use. Any thread; calls do not disturb each
// other.
class PrivateFolder {
 public:
  struct Entry {
    std::string name;
    uint64_t size;
    int64_t changed_ns;
  };

  // Opens `path`, creating it (0700) and its parents if missing. Refused with the reason unless it is a true
  // folder owned by the effective user and closed to writers of group and others.
  explicit PrivateFolder(const std::string& path, const FileSystem& fs = kFileSystem);
  PrivateFolder(PrivateFolder&& other) noexcept;
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  ~PrivateFolder();

  // `name` is one path component. A file that is a link, hard-linked, foreign or open to writers is refused.
  Bytes read(const std::string& name, size_t limit = SIZE_MAX) const;
  // As write_file, but 0600 and not flushed to the disk: entries carry a checksum, and a lost one is only a
  // miss.
  void write(const std::string& name, std::span<const ByteView> parts) const;
  void remove(const std::string& name) const;
  // The regular files, in no order; what vanishes meanwhile is left out.
  std::vector<Entry> entries() const;
  // Where the files have more bytes than `most`, the oldest go until half of that is left; so do temporary ones that
  // killed writers left, with the files of their time.
  void keep_below(uint64_t most) const;

  const std::string& path() const { return path_; }
  int descriptor() const { return fd_; }

 private:
  const FileSystem* fs_;
  std::string path_;
  int fd_;
};

// `$XDG_CACHE_HOME/jt`, else `$HOME/.cache/jt`; empty if neither is an absolute path. The values come from
// the caller: only it knows whether the environment may be read.
std::string cache_path(const char* xdg_cache_home, const char* home);

}  // namespace jt
