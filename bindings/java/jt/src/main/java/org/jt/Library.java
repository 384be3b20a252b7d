package org.jt;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Finds and loads the natives: below the folder that -Djt.library.path names; else those in a jar on the class path, put
 * into a folder of the user's cache that is named by their content; else by java.library.path.
 */
final class Library {
  private static final String NAME = "libjt_java.so";
  private static String from;

  private Library() {}

  private static final class Loaded {
    static {
      from = find();
    }

    static void touch() {}
  }

  static void load() {
    Loaded.touch();
  }

  static String from() {
    load();
    return from;
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT), arch = System.getProperty("os.arch");
    return (os.startsWith("linux") ? "linux" : os.startsWith("mac") ? "macos" : "windows") + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private static String find() {
    List<String> tried = new ArrayList<>();
    String folder = System.getProperty("jt.library.path");
    String found = folder == null ? null : tryFile(Paths.get(folder, NAME), "-Djt.library.path", tried);
    if (folder == null) tried.add("-Djt.library.path: not set");
    if (found == null) found = fromJar("/org/jt/natives/" + platform() + "/", tried);
    if (found == null) found = byName(tried);
    if (found != null) return found;
    throw new UnsatisfiedLinkError("jt: no natives could be loaded; tried:\n  " + String.join("\n  ", tried));
  }

  private static String tryFile(Path file, String how, List<String> tried) {
    if (!Files.exists(file)) {
      tried.add(how + ": " + file + ": no such file");
      return null;
    }
    try {
      System.load(file.toAbsolutePath().toString());
      return file.toAbsolutePath().toString();
    } catch (UnsatisfiedLinkError e) {
      tried.add(how + ": " + file + ": " + e.getMessage());
      return null;
    }
  }

  private static String byName(List<String> tried) {
    try {
      System.loadLibrary("jt_java");
      return System.mapLibraryName("jt_java");
    } catch (UnsatisfiedLinkError e) {
      tried.add("java.library.path: " + System.getProperty("java.library.path") + ": " + e.getMessage());
      return null;
    }
  }

  /** The folder's file `files` lists what has to lie beside each other, libjt_java.so last. */
  private static String fromJar(String place, List<String> tried) {
    List<String> names = new ArrayList<>();
    try (InputStream list = Library.class.getResourceAsStream(place + "files")) {
      if (list == null) {
        tried.add("class path: no resource " + place + "files; is jt-natives-" + platform() + " on it?");
        return null;
      }
      for (String line : Text.of(list.readAllBytes()).split("\n")) if (!line.isEmpty()) names.add(line);
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      List<byte[]> contents = new ArrayList<>();
      for (String name : names) {
        try (InputStream in = Library.class.getResourceAsStream(place + name)) {
          if (in == null) throw new IOException("no resource " + place + name);
          contents.add(in.readAllBytes());
          digest.update(name.getBytes(java.nio.charset.StandardCharsets.UTF_8));
          digest.update(contents.get(contents.size() - 1));
        }
      }
      String hash = new java.math.BigInteger(1, java.util.Arrays.copyOf(digest.digest(), 16)).toString(16);
      return fromFolders(names, contents, "jt-" + hash, tried);
    } catch (IOException | NoSuchAlgorithmException e) {
      tried.add("class path: " + place + ": " + e);
      return null;
    }
  }

  /** The user's cache folder, else the one for temporary files: one of them may forbid to run what it holds. */
  private static String fromFolders(List<String> names, List<byte[]> contents, String folder, List<String> tried) {
    String chosen = System.getProperty("jt.cache.dir"), cache = System.getenv("XDG_CACHE_HOME"), home = System.getProperty("user.home");
    List<Path> places = new ArrayList<>();
    if (chosen != null) places.add(Paths.get(chosen));
    else if (cache != null && !cache.isEmpty()) places.add(Paths.get(cache, "jt"));
    else if (home != null) places.add(Paths.get(home, ".cache", "jt"));
    places.add(Paths.get(System.getProperty("java.io.tmpdir"), "jt-" + System.getProperty("user.name")));
    for (Path place : places) {
      Path to = place.resolve(folder);
      try {
        makeOwn(place);
        makeOwn(to);
        for (int i = 0; i < contents.size(); i++) write(to.resolve(names.get(i)), contents.get(i));
      } catch (IOException e) {
        tried.add("copied from the class path: " + to + ": " + e);
        continue;
      }
      String found = tryFile(to.resolve(NAME), "copied from the class path", tried);
      if (found != null) return found;
    }
    return null;
  }

  /** A folder that nobody else may write to: what lies in it is run. */
  private static void makeOwn(Path folder) throws IOException {
    if (folder.getParent() != null) Files.createDirectories(folder.getParent());
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    String owner = Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS).getName(), user = System.getProperty("user.name");
    Set<PosixFilePermission> others = Files.getPosixFilePermissions(folder, LinkOption.NOFOLLOW_LINKS);
    if (!owner.equals(user)) throw new IOException("belongs to " + owner + ", not to " + user);
    if (others.contains(PosixFilePermission.OTHERS_WRITE) || others.contains(PosixFilePermission.GROUP_WRITE)) throw new IOException("others may write to " + folder);
  }

  /** As a whole or not at all, so that processes that start together do not disturb each other. */
  private static void write(Path file, byte[] content) throws IOException {
    if (Files.exists(file) && java.util.Arrays.equals(Files.readAllBytes(file), content)) return;
    Path made = Files.createTempFile(file.getParent(), "new", ".so");
    Files.write(made, content);
    try {
      Files.move(made, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(made, file, StandardCopyOption.REPLACE_EXISTING);
    }
  }
}
