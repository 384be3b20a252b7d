#include "core/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/file_limit.h"
#include "core/base/status.h"

namespace jt {

static int system_openat(int folder, const char* path, int flags, mode_t mode) {
  return ::openat(folder, path, flags, mode);
}

constinit const FileSystem kFileSystem = {
    system_openat, ::fstatat,  ::fstat,   ::read,      ::write,   ::fsync,    ::close,
    ::renameat,    ::unlinkat, ::mkdirat, ::fdopendir, ::readdir, ::closedir, ::geteuid, ::pread,
};

Bytes make_bytes(size_t size) { return {std::make_unique_for_overwrite<char[]>(size), size}; }

// ---- failures ----

[[noreturn]] static void fail_errno(const char* what, std::string_view path, int error) {
  const char* reason = strerrordesc_np(error);  // strerror would follow the host's locale
  throw Error(JT_E_IO, text("cannot ", what, " '", path, "': ", reason ? reason : "unknown error"), error);
}

[[noreturn]] static void refuse(const char* what, std::string_view path, const std::string& reason) {
  throw Error(JT_E_IO, text("cannot ", what, " '", path, "': ", reason));
}

static void check_path(const char* what, const std::string& path) {
  if (path.find('\0') != path.npos) refuse(what, std::string_view(path.c_str()), "the path holds a NUL byte");
}

template <class Call>
static auto retried(Call call) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

// A descriptor that closes itself. close() is for callers who want to hear of it.
class Descriptor {
 public:
  Descriptor(const FileSystem& fs, int fd) : fs_(fs), fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) fs_.close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Linux frees the descriptor whatever close returns, so it is never closed twice.
  bool close() {
    int fd = fd_;
    fd_ = -1;
    return fs_.close(fd) == 0 || errno == EINTR;
  }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  const FileSystem& fs_;
  int fd_;
};

static int open_retried(const FileSystem& fs, int folder, const char* path, int flags, mode_t mode = 0) {
  return retried([&] { return fs.openat(folder, path, flags | O_CLOEXEC, mode); });
}

// ---- reading ----

static Bytes read_all(const FileSystem& fs, int fd, size_t size_hint, size_t limit, std::string_view path) {
  auto too_large = [&](size_t held) {
    refuse("read", path, text("it holds ", held, " bytes, the limit is ", limit));
  };
  if (size_hint > limit) too_large(size_hint);
  // One byte more than expected, so that the end is seen without growing; files may grow while they are read.
  Bytes buffer = make_bytes(size_hint + 1);
  size_t size = 0;
  for (;;) {
    if (size == buffer.size) {
      Bytes larger = make_bytes(size * 2 + 4096);
      std::memcpy(larger.data.get(), buffer.data.get(), size);
      buffer = std::move(larger);
    }
    ssize_t got = retried([&] { return fs.read(fd, buffer.data.get() + size, buffer.size - size); });
    if (got < 0) fail_errno("read", path, errno);
    if (got == 0) break;
    size += size_t(got);
    if (size > limit) too_large(size);
  }
  buffer.size = size;
  return buffer;
}

static struct stat stat_of(const FileSystem& fs, int fd, std::string_view path) {
  struct stat facts;
  if (fs.fstat(fd, &facts) < 0) fail_errno("read", path, errno);
  if (S_ISDIR(facts.st_mode)) fail_errno("read", path, EISDIR);
  if (!S_ISREG(facts.st_mode)) refuse("read", path, "it is not a regular file");
  return facts;
}

static int open_to_read(const FileSystem& fs, const std::string& path) {
  check_path("read", path);
  // O_NONBLOCK: opening a pipe nobody writes to would wait for ever; regular files do not care.
  int fd = open_retried(fs, AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) fail_errno("read", path, errno);
  return fd;
}

Bytes read_file(const std::string& path, size_t limit, const FileSystem& fs) {
  Descriptor file(fs, open_to_read(fs, path));
  struct stat facts = stat_of(fs, file.get(), path);
  return read_all(fs, file.get(), size_t(facts.st_size), limit, path);
}

FileReader::FileReader(const std::string& path, const FileSystem& fs) : fs_(fs), path_(path), fd_(-1) {
  Descriptor file(fs, open_to_read(fs, path));
  size_ = uint64_t(stat_of(fs, file.get(), path).st_size);
  fd_ = file.release();
}
FileReader::~FileReader() { fs_.close(fd_); }

size_t FileReader::read(uint64_t at, char* to, size_t size) const {
  size_t done = 0;
  while (done < size) {
    size_t piece = std::min<size_t>(size - done, 1u << 30);  // the kernel takes at most 2 GiB a call anyway
    ssize_t got = retried([&] { return fs_.pread(fd_, to + done, piece, off_t(at + done)); });
    if (got < 0) fail_errno("read", path_, errno);
    if (got == 0) break;
    done += size_t(got);
  }
  return done;
}

// ---- writing ----

static bool put_all(const FileSystem& fs, int fd, std::span<const ByteView> parts) {
  for (ByteView part : parts)
    while (!part.empty()) {
      // The kernel takes at most 2 GiB a call anyway.
      size_t piece = std::min<size_t>(part.size(), 1u << 30);
      ssize_t put = retried([&] { return fs.write(fd, part.data(), piece); });
      if (put == 0) errno = EIO;
      if (put <= 0) return false;
      part = part.subspan(size_t(put));
    }
  return true;
}

static bool write_all(const FileSystem& fs, int fd, std::span<const ByteView> parts) {
  int error = 0;
  {
    FileLimit limit;
    if (put_all(fs, fd, parts)) return true;
    error = errno;
  }
  errno = error;
  return false;
}

struct WriteRequest {
  int folder;
  const char* name;       // within the folder
  std::string_view path;  // for messages
  mode_t mode;
  bool flushed;
};

// A temporary beside the target: the same file system, and a length that fits whatever the target is called.
static Descriptor open_temporary(const FileSystem& fs, const WriteRequest& request, std::string& name) {
  constexpr int kAttempts = 1000;
  for (int attempt = 0;; attempt++) {
    name = text(".jt-", ::getpid(), "-", attempt, ".tmp");
    int fd = open_retried(fs, request.folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                          request.mode);
    if (fd >= 0) return {fs, fd};
    if (errno != EEXIST || attempt == kAttempts) fail_errno("write", request.path, errno);
  }
}

static void write_atomically(const FileSystem& fs, const WriteRequest& request,
                             std::span<const ByteView> parts) {
  std::string temporary;
  Descriptor file = open_temporary(fs, request, temporary);
  bool done = write_all(fs, file.get(), parts) && (!request.flushed || fs.fsync(file.get()) == 0);
  int error = errno;
  if (!file.close() && done) {
    done = false;
    error = errno;
  }
  if (done && fs.renameat(request.folder, temporary.c_str(), request.folder, request.name) < 0) {
    done = false;
    error = errno;
  }
  if (!done) {
    fs.unlinkat(request.folder, temporary.c_str(), 0);
    fail_errno("write", request.path, error);
  }
  // From here on the new file is whole and in place, so nothing is an error: without this flush a power cut
  // may bring the old file back, and some file systems cannot flush a folder.
  if (request.flushed) fs.fsync(request.folder);
}

static void write_device(const FileSystem& fs, const std::string& path, std::span<const ByteView> parts) {
  Descriptor device(fs, open_retried(fs, AT_FDCWD, path.c_str(), O_WRONLY | O_NOCTTY));
  if (!device.is_open() || !write_all(fs, device.get(), parts) || !device.close())
    fail_errno("write", path, errno);
}

void write_file(const std::string& path, std::span<const ByteView> parts, const FileSystem& fs) {
  check_path("write", path);
  struct stat facts;
  if (fs.fstatat(AT_FDCWD, path.c_str(), &facts, 0) == 0) {
    if (S_ISCHR(facts.st_mode)) return write_device(fs, path, parts);
    if (S_ISDIR(facts.st_mode)) fail_errno("write", path, EISDIR);
    if (!S_ISREG(facts.st_mode)) refuse("write", path, "it is not a regular file");
  } else if (errno != ENOENT) {
    fail_errno("write", path, errno);
  }
  size_t slash = path.rfind('/');
  std::string folder_path = slash == path.npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty()) fail_errno("write", path, path.empty() ? ENOENT : EISDIR);
  Descriptor folder(fs, open_retried(fs, AT_FDCWD, folder_path.c_str(), O_RDONLY | O_DIRECTORY));
  if (!folder.is_open()) fail_errno("write", path, errno);
  write_atomically(fs, {folder.get(), name.c_str(), path, 0666, true}, parts);
}

void write_file(const std::string& path, std::string_view content, const FileSystem& fs) {
  ByteView part = view_of(content);
  write_file(path, std::span(&part, 1), fs);
}

// ---- private folders ----

// Why this file or folder could have been changed by someone else; empty if it could not.
static std::string foreign_hand(const FileSystem& fs, const struct stat& facts) {
  uid_t self = fs.geteuid();
  if (facts.st_uid != self) return text("it belongs to user ", facts.st_uid, ", this process is user ", self);
  if (facts.st_mode & (S_IWGRP | S_IWOTH)) return "group or others may write to it";
  return "";
}

static void make_parents(const FileSystem& fs, const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1)) {
    std::string parent = path.substr(0, slash);
    if (fs.mkdirat(AT_FDCWD, parent.c_str(), 0700) == 0 || errno == EEXIST) continue;
    // A read-only or foreign parent that exists may say EROFS or EACCES; the open below has the last word.
    struct stat facts;
    int error = errno;
    if (fs.fstatat(AT_FDCWD, parent.c_str(), &facts, 0) < 0) fail_errno("create", parent, error);
  }
}

static int open_checked(const FileSystem& fs, const std::string& path) {
  make_parents(fs, path);
  int made = fs.mkdirat(AT_FDCWD, path.c_str(), 0700);
  int make_error = made < 0 ? errno : 0;
  Descriptor folder(fs, open_retried(fs, AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!folder.is_open()) {
    int error = errno;
    if (error == ENOENT && make_error) fail_errno("create folder", path, make_error);
    // With O_DIRECTORY a link gives ENOTDIR, like a file.
    if (error == ENOTDIR || error == ELOOP) refuse("use folder", path, "it is a link or not a folder");
    fail_errno("use folder", path, error);
  }
  struct stat facts;
  if (fs.fstat(folder.get(), &facts) < 0) fail_errno("use folder", path, errno);
  if (std::string reason = foreign_hand(fs, facts); !reason.empty()) refuse("use folder", path, reason);
  return folder.release();
}

static std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

PrivateFolder::PrivateFolder(const std::string& path, const FileSystem& fs)
    : fs_(&fs), path_(without_trailing_slashes(path)), fd_(-1) {
  check_path("use folder", path);
  if (path.empty()) fail_errno("use folder", path, ENOENT);
  fd_ = open_checked(fs, path_);
}

PrivateFolder::PrivateFolder(PrivateFolder&& other) noexcept
    : fs_(other.fs_), path_(std::move(other.path_)), fd_(other.fd_) {
  other.fd_ = -1;
}

PrivateFolder::~PrivateFolder() {
  if (fd_ >= 0) fs_->close(fd_);
}

static void check_name(const std::string& name) {
  bool is_component = !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
                      name.find('\0') == name.npos;
  if (!is_component) fail(JT_E_INVALID, "folder: '", name, "' is not the name of one file");
}

Bytes PrivateFolder::read(const std::string& name, size_t limit) const {
  check_name(name);
  std::string path = path_ + "/" + name;
  Descriptor file(*fs_, open_retried(*fs_, fd_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file.is_open()) fail_errno("read", path, errno);
  struct stat facts = stat_of(*fs_, file.get(), path);
  if (std::string reason = foreign_hand(*fs_, facts); !reason.empty()) refuse("read", path, reason);
  if (facts.st_nlink != 1) refuse("read", path, text("it has ", facts.st_nlink, " links, 1 expected"));
  return read_all(*fs_, file.get(), size_t(facts.st_size), limit, path);
}

void PrivateFolder::write(const std::string& name, std::span<const ByteView> parts) const {
  check_name(name);
  std::string path = path_ + "/" + name;
  write_atomically(*fs_, {fd_, name.c_str(), path, 0600, false}, parts);
}

void PrivateFolder::remove(const std::string& name) const {
  check_name(name);
  if (fs_->unlinkat(fd_, name.c_str(), 0) < 0 && errno != ENOENT)
    fail_errno("remove", path_ + "/" + name, errno);
}

std::vector<PrivateFolder::Entry> PrivateFolder::entries() const {
  // A descriptor of its own: a duplicate would share the read position with other threads.
  Descriptor own(*fs_, open_retried(*fs_, fd_, ".", O_RDONLY | O_DIRECTORY));
  if (!own.is_open()) fail_errno("list", path_, errno);
  auto close_listing = [this](DIR* listing) { fs_->closedir(listing); };
  std::unique_ptr<DIR, decltype(close_listing)> listing(fs_->fdopendir(own.get()), close_listing);
  if (!listing) fail_errno("list", path_, errno);
  own.release();
  std::vector<Entry> found;
  for (;;) {
    errno = 0;
    dirent* item = fs_->readdir(listing.get());
    if (!item && errno) fail_errno("list", path_, errno);
    if (!item) return found;
    struct stat facts;
    if (fs_->fstatat(fd_, item->d_name, &facts, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (!S_ISREG(facts.st_mode)) continue;
    int64_t changed = int64_t(facts.st_mtim.tv_sec) * 1'000'000'000 + facts.st_mtim.tv_nsec;
    found.push_back({item->d_name, uint64_t(facts.st_size), changed});
  }
}

void PrivateFolder::keep_below(uint64_t most) const {
  std::vector<Entry> files = entries();
  uint64_t bytes = 0;
  for (const Entry& f : files) bytes += f.size;
  if (bytes <= most) return;
  std::sort(files.begin(), files.end(), [](const Entry& a, const Entry& b) { return a.changed_ns < b.changed_ns; });
  for (const Entry& f : files) {
    if (bytes <= most / 2) return;
    remove(f.name);
    bytes -= f.size;
  }
}

std::string cache_path(const char* xdg_cache_home, const char* home) {
  auto is_absolute = [](const char* path) { return path && path[0] == '/'; };
  if (is_absolute(xdg_cache_home)) return text(xdg_cache_home, "/jt");
  if (is_absolute(home)) return text(home, "/.cache/jt");
  return "";
}

}  // namespace jt
