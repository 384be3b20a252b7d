package org.jt;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What is left to do once an object cannot be reached any more; done by one thread of this class. */
abstract class Gone extends PhantomReference<Object> {
  private static final ReferenceQueue<Object> QUEUE = new ReferenceQueue<>();

  /** Those that nothing else keeps: a reference that is collected itself is never handed over. */
  private static final Set<Gone> KEPT = ConcurrentHashMap.newKeySet();

  static {
    Thread thread = new Thread(Gone::work, "jt-cleaner");
    thread.setDaemon(true);
    thread.start();
  }

  Gone(Object object) {
    super(object, QUEUE);
  }

  /** Called once, after the object is gone. */
  abstract void gone();

  final void keep() {
    KEPT.add(this);
  }

  final void forget() {
    KEPT.remove(this);
  }

  private static void work() {
    for (;;) {
      try {
        Gone next = (Gone) QUEUE.remove();
        next.gone();
        KEPT.remove(next);
      } catch (InterruptedException | RuntimeException e) {
        System.getLogger("org.jt").log(System.Logger.Level.ERROR, "jt-cleaner", e);
      }
    }
  }
}
