package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** A program that closes nothing stays bounded: by the number of its tensors, and by their bytes. */
class MemoryTest {
  private static long residentBytes() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status")))
      if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
    return 0;
  }

  @Test
  void aMillionTensorsNotClosed() throws Exception {
    Tensor x = Tensor.ones(4).eval();
    for (int i = 0; i < 100_000; i++) x.add(x);
    long before = residentBytes();
    for (int i = 0; i < 1_000_000; i++) x.add(x);
    long grown = residentBytes() - before;
    assertTrue(grown < 300L << 20, (grown >> 20) + " MiB");
  }

  /** What a collection found may be given back only later: until then as much again is not taken for what is in use. */
  @Test
  void whatIsGivenBackLateDoesNotRaiseTheLimit() {
    Pressure pressure = new Pressure(100);
    assertFalse(pressure.look(99));
    assertTrue(pressure.look(100));
    assertFalse(pressure.look(101)); // nothing is back yet
    assertFalse(pressure.look(10));
    assertFalse(pressure.look(99));
    assertTrue(pressure.look(102));
    assertFalse(pressure.look(90)); // and these stay in use
    assertFalse(pressure.look(179));
    assertTrue(pressure.look(180));
  }

  @Test
  void gigabytesNotClosed() {
    Tensor x = Tensor.ones(1 << 20).eval(); // 4 MiB
    long most = 0;
    for (int i = 0; i < 500; i++) {
      x.add(i).eval();
      most = Math.max(most, Jt.nativeBytes());
    }
    assertTrue(most < 1L << 30, (most >> 20) + " MiB at once");
    assertTrue(Jt.nativeBytes() > 0);
  }

  @Test
  void whatIsNotReachableIsGivenBack() throws Exception {
    Tensor x = Tensor.ones(1 << 18).eval();
    long before = Jt.nativeBytes();
    for (int i = 0; i < 50; i++) x.add(i).eval();
    java.nio.ByteBuffer kept = x.add(77).buffer();
    for (int i = 0; i < 50 && Jt.nativeBytes() > before + (2 << 20); i++) {
      Pressure.collect();
      Thread.sleep(20);
    }
    assertTrue(Jt.nativeBytes() <= before + (1 << 20), "the buffer's tensor, and no other");
    assertEquals(78f, kept.getFloat(0));
  }
}
