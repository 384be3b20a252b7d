package org.jt;

/** What computes: devices, memory and compiled kernels (a jt_runtime). It is shared by threads; several may coexist. */
public final class Engine implements AutoCloseable {
  private static final class Ref extends Gone {
    long handle;

    Ref(Engine engine, long handle) {
      super(engine);
      this.handle = handle;
      keep();
    }

    @Override
    void gone() {
      if (handle != 0) Native.runtime_release(handle);
    }
  }

  private static final class Standard {
    static final Engine ENGINE = builder().readEnvironment(true).backgroundCompiler(true).threads(-1).memoryLimit(-1).build();
  }

  private final Ref ref;
  private final Pressure pressure = new Pressure(Pressure.LEAST_BYTES);

  private Engine(Fields fields) {
    ref = new Ref(this, Native.runtime_create(fields.encoded()));
  }

  /** The default engine: a thread per core, nearly all of the machine's memory, unless JT_* variables say otherwise.
   * @return the engine */
  public static Engine standard() {
    return Standard.ENGINE;
  }

  /**
   * Begins one of one's own.
   * @return a builder; what it is not told is as in jt_runtime_desc
   */
  public static Builder builder() {
    return new Builder();
  }

  /** How an engine is made. */
  public static final class Builder {
    private long flags;
    private final Fields fields = new Fields();

    private Builder() {}

    private Builder flag(int flag, boolean on) {
      flags = on ? flags | flag : flags & ~flag;
      return this;
    }

    /**
     * Reads JT_* variables (docs/FLAGS.md).
     * @param on whether
     * @return this
     */
    public Builder readEnvironment(boolean on) {
      return flag(1, on);
    }

    /**
     * Compiles hot kernels again, better, in the background.
     * @param on whether
     * @return this
     */
    public Builder backgroundCompiler(boolean on) {
      return flag(2, on);
    }

    /**
     * Keeps no compiled kernels on disk.
     * @param on whether
     * @return this
     */
    public Builder noDiskCache(boolean on) {
      return flag(4, on);
    }

    /**
     * Never compiles: kernels are interpreted.
     * @param on whether
     * @return this
     */
    public Builder noCompiler(boolean on) {
      return flag(8, on);
    }

    /**
     * Threads that compute.
     * @param n how many, the caller's included; 0: that alone; -1: one per core
     * @return this
     */
    public Builder threads(int n) {
      fields.put("threads", n);
      return this;
    }

    /**
     * Bytes of values held at once.
     * @param bytes how many; 0: any; -1: nearly what the machine has
     * @return this
     */
    public Builder memoryLimit(long bytes) {
      fields.put("memory_limit", bytes);
      return this;
    }

    /**
     * Log lines up to a level.
     * @param level 1 errors to 5 traces; they go to the logger org.jt
     * @return this
     */
    public Builder logLevel(int level) {
      fields.put("log_level", level);
      return this;
    }

    /**
     * Folder of compiled kernels.
     * @param folder private to the user
     * @return this
     */
    public Builder cache(java.nio.file.Path folder) {
      if (folder == null) throw JtException.argument("cache: folder is null");
      fields.put("cache_dir", folder.toString());
      return this;
    }

    /**
     * What computes.
     * @param name of a built-in backend, or the path of a library
     * @return this
     */
    public Builder backend(String name) {
      fields.put("backend", name);
      return this;
    }

    /** @return the engine */
    public Engine build() {
      fields.put("flags", flags);
      return new Engine(fields);
    }
  }

  private long handle(String op) {
    if (ref.handle == 0) throw JtException.argument(op + ": the engine is closed");
    return ref.handle;
  }

  synchronized long newContext() {
    return Native.context_create(handle("Context"));
  }

  /**
   * Bytes in values that someone holds.
   * @return the number; 0 once it is closed
   */
  public synchronized long liveBytes() {
    return ref.handle == 0 ? 0 : Native.live_bytes(ref.handle);
  }

  /** After an evaluation, as values have taken their memory: whether it collected. */
  boolean look() {
    return pressure.look(liveBytes());
  }

  /**
   * What it did and holds.
   * @return the numbers now
   */
  public synchronized Stats stats() {
    return new Stats(Native.runtime_numbers(handle("stats")));
  }

  /**
   * Names of the devices: those that JT_DEVICES lists, where the environment is read, else the one of the backend.
   * @return names, by number
   */
  public synchronized java.util.List<String> devices() {
    long h = handle("devices");
    java.util.List<String> out = new java.util.ArrayList<>();
    for (int i = 0; i < Native.runtime_device_count(h); i++) out.add(Text.of(Native.device_name(h, i)));
    return out;
  }

  synchronized int device(String name) {
    return (int) Native.runtime_find_device(handle("device"), Text.utf8(name, "device", "name"));
  }

  /**
   * The table that JT_STATS prints, slowest kernels first.
   * @return the text
   */
  public synchronized String statsText() {
    return Text.of(Native.stats_text(handle("statsText")));
  }

  /**
   * Times every launch from now on, or no longer.
   * @param on whether
   */
  public synchronized void timing(boolean on) {
    Native.stats_set_timing(handle("timing"), on);
  }

  /** Gives memory kept for reuse back to the system. */
  public synchronized void trim() {
    Native.runtime_trim(handle("trim"));
  }

  /** Gives the engine back; contexts and tensors keep what they need. */
  @Override
  public synchronized void close() {
    if (this == Standard.ENGINE) return;
    long h = ref.handle;
    ref.handle = 0;
    if (h != 0) Native.runtime_release(h);
  }
}
