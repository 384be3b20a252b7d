"""progress: a bar for loops, in the style of tqdm, and a line while kernels compile; plain lines where the output is no
terminal."""
from __future__ import annotations

import sys
import time
from typing import Any, Generic, Iterable, Iterator, Optional, TextIO, TypeVar

T = TypeVar("T")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def compiling(done: int, total: int, seconds: float) -> None:
    """Tells on stderr how compiling gets on; called by evaluations that compile for long, the last time when done == total."""
    file = sys.stderr
    if file is None:
        return
    left = _clock(seconds / done * (total - done)) if done else "?"
    line = f"Compiling kernels ({done}/{total}) used {_clock(seconds)} eta {left}"
    try:
        if file.isatty():
            file.write("\r\x1b[K" + line + ("\n" if done == total else ""))
        elif done == total:
            file.write(line + "\n")
        file.flush()
    except (OSError, ValueError):
        pass


class progress(Generic[T]):
    """for batch in jt.progress(batches, "epoch 1"): ...

    set_postfix(loss=0.3) says more behind the bar. A terminal gets a bar ten times a second; anything else a line at the
    end and every `every` seconds."""

    def __init__(self, items: Iterable[T], desc: str = "", total: Optional[int] = None, file: Optional[TextIO] = None,
                 every: float = 10.0) -> None:
        self.items, self.desc = items, desc
        self.total = total if total is not None else len(items) if hasattr(items, "__len__") else None  # type: ignore[arg-type]
        self.file: TextIO = sys.stderr if file is None else file
        self.is_terminal = self.file.isatty()
        self.every = 0.1 if self.is_terminal else every
        self.n, self.postfix = 0, ""
        self._began = self._shown = time.monotonic()

    def set_postfix(self, **values: Any) -> None:
        """Names and values shown behind the bar."""
        self.postfix = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())

    def set_description(self, desc: str) -> None:
        """The text before the bar."""
        self.desc = desc

    def update(self, n: int = 1) -> None:
        """n more items are done."""
        self.n += n
        now = time.monotonic()
        if now - self._shown >= self.every:
            self._shown = now
            self._show()

    def _line(self, width: int) -> str:
        spent = time.monotonic() - self._began
        rate = self.n / spent if spent > 0 else 0.0
        head = f"{self.desc}: " if self.desc else ""
        tail = f"{rate:.1f} it/s" + (f", {self.postfix}" if self.postfix else "")
        if not self.total:
            return f"{head}{self.n} [{_clock(spent)}, {tail}]"
        left = _clock((self.total - self.n) / rate) if rate else "?"
        tail = f" {self.n}/{self.total} [{_clock(spent)}<{left}, {tail}]"
        share = min(1.0, self.n / self.total)
        head += f"{100 * share:3.0f}%"
        if not self.is_terminal:
            return head + tail
        room = max(5, width - len(head) - len(tail) - 3)
        return f"{head}|{'#' * int(room * share):-<{room}}|{tail}"

    def _show(self, end: bool = False) -> None:
        try:
            if self.is_terminal:
                import shutil
                width = shutil.get_terminal_size().columns
                self.file.write("\r\x1b[K" + self._line(width)[:width - 1] + ("\n" if end else ""))
            else:
                self.file.write(self._line(80) + "\n")
            self.file.flush()
        except (OSError, ValueError):  # the output is gone; the loop is not
            pass

    def close(self) -> None:
        """Shows where it ended."""
        self._show(end=True)

    def __iter__(self) -> Iterator[T]:
        self._began = self._shown = time.monotonic()
        try:
            for item in self.items:
                yield item
                self.update()
        finally:
            self.close()
