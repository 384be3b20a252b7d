package org.jt;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;

/** What C calls. Nothing here may call jt, custom ops aside. */
final class Calls {
  private static final System.Logger LOGGER = System.getLogger("org.jt");

  private Calls() {}

  static Throwable error(int code, long nativeCode, String function, byte[] message, Throwable cause) {
    String text = new String(message, StandardCharsets.UTF_8);
    String name = function.startsWith("jt_") ? function.substring(3) : function;
    if (text.startsWith(function + ": ")) text = name + text.substring(function.length());
    if (text.isEmpty()) text = name + ": " + code;
    return JtException.of(code, nativeCode, text, cause);
  }

  static void log(int level, byte[] domain, byte[] message) {
    System.Logger.Level[] levels = {System.Logger.Level.ERROR, System.Logger.Level.WARNING, System.Logger.Level.INFO, System.Logger.Level.DEBUG, System.Logger.Level.TRACE};
    LOGGER.log(levels[Math.max(1, Math.min(level, levels.length)) - 1], () -> Text.of(domain) + ": " + Text.of(message));
  }

  /** Whether the evaluation goes on: not once its thread is interrupted, which stays so, or its listener says no. */
  static boolean watch(Object listener, long compiled, long toCompile) {
    if (Thread.currentThread().isInterrupted()) return false;
    return listener == null || ((Context.Listener) listener).goesOn(compiled, toCompile);
  }

  static void forward(Object op, long call) {
    CustomCall c = new CustomCall(call);
    try {
      ((CustomOp) op).forward(c);
    } finally {
      c.end();
    }
  }

  static void backward(Object op, long call) {
    Context context = Context.byHandle(Native.grad_context(call));
    CustomGradient c = new CustomGradient(context, call);
    ArrayList<Tensor> outer = context.pinned; // of the call that this one is made in
    context.pinned = null;
    try {
      ((CustomOp) op).backward(c);
    } finally {
      c.end();
      context.pinned = outer;
    }
  }
}
