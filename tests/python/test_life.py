"""Lifetimes: nothing grows, threads and forks, the end of the interpreter, interrupts."""
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

import jt


def live():
    jt.sync_all()
    gc.collect()
    return jt.memory_info()["live_bytes"]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_a_million_tensors():
    a, b = jt.array([1.0, 2.0]), jt.array([3.0, 4.0])
    for _ in range(50000):
        a + b
    before_live, before = live(), resident()
    for _ in range(1000000):
        a + b
    assert live() == before_live and resident() - before < 20 << 20


def test_exchange_does_not_grow(np):
    x = jt.arange(1000).float().sync()

    def once():
        for _ in range(200):
            np.asarray(x), memoryview(x), np.from_dlpack(x), jt.from_dlpack(x), x.tolist(), x.numpy(), x[3:5], repr(x[:3])

    once()
    before, size = live(), resident()
    for _ in range(20):
        once()
    assert live() == before and resident() - size < 20 << 20


def test_failures_do_not_grow():
    a, b = jt.zeros((3,)), jt.zeros((4,))

    def once():
        for _ in range(500):
            for wrong in (lambda: a + b, lambda: jt.sum(a, 5), lambda: a[7], lambda: jt.array([1, [2]]), lambda: jt.sum(None)):
                with pytest.raises(Exception):
                    wrong()

    once()
    before, size = live(), resident()
    for _ in range(10):
        once()
    assert live() == before and resident() - size < 20 << 20


def test_cycles_are_collected():
    class Holder:
        pass

    gone = []
    for _ in range(3):
        m = jt.Module()
        m.w = jt.Parameter([1.0])
        m.again = m
        h = Holder()
        h.m, h.grad = m, jt.grad((m.w * m.w).sum(), m.w)
        m.register_forward_hook(lambda *_, h=h: None)
        gone += [weakref.ref(m), weakref.ref(m.w), weakref.ref(h.grad)]
        del m, h
    gc.collect()
    assert [g() for g in gone] == [None] * 9


def test_threads_record_and_read_at_once():
    wrong = []

    def work(seed):
        x = jt.array([float(seed)] * 100)
        for i in range(150):
            y = ((x + i) * 2).sum()
            if y.item() != (seed + i) * 200:
                wrong.append((seed, i, y.item()))
            w = jt.Parameter([float(seed)])
            if jt.grad((w * w).sum(), w).item() != 2 * seed:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_tensors_go_on_other_threads():
    made = [jt.array([float(i)]) + 1 for i in range(2000)]
    thread = threading.Thread(target=made.clear)
    thread.start()
    for i in range(2000):
        jt.array([1.0]) + i
    thread.join()
    assert (jt.array([1.0]) + 1).item() == 2


def run(code, **options):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(jt.__file__)), "JT_CACHE_DIR": "off"}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, timeout=120, **options)


@pytest.mark.parametrize("method", ["os.fork", "fork"])
def test_a_forked_child_works(method):
    done = run(f"""
        import jt, os, multiprocessing
        x = (jt.array([1.0, 2.0]) * 3).sync()
        pending = x + 1
        def child():
            assert pending.tolist() == [4, 7] and ((x * x).sum()).item() == 45
        if {method == 'os.fork'}:
            pid = os.fork()
            if not pid:
                child()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        else:
            p = multiprocessing.get_context("fork").Process(target=child)
            p.start(); p.join(30)
            assert p.exitcode == 0
        assert pending.tolist() == [4, 7]
        print("good")
    """)
    assert done.stdout.strip() == "good", done.stderr


WHILE = {
    "evaluating": "(x * x + 1).sum().item()",
    "compiling": "chain(next(numbers))",
    "tracing": "chain(1)",
    "saving": "jt.save({'x': x}, path); jt.load(path)",
    "training": "opt.step(((w * x) ** 2).sum())",
}


@pytest.mark.parametrize("doing", sorted(WHILE))
def test_a_child_forked_while_threads_are_at_work_goes_on(doing, tmp_path):
    done = run(f"""
        import os
        if {doing == "tracing"}:
            os.environ["JT_TRACE"] = {str(tmp_path / "trace.json")!r}
        import itertools, jt, signal, sys, threading
        numbers, path = itertools.count(), {str(tmp_path / "x.safetensors")!r}
        def chain(number):
            y = jt.array([0.25, 0.5])
            for _ in range(6):
                y = getattr(jt, ["sin", "cos", "tanh", "sigmoid", "exp", "atan"][number % 6])(y)
                number //= 6
            return y.sum().item()
        x = jt.array([1.0, 2.0, 3.0])
        w = jt.Parameter([1.0, 1.0, 1.0])
        opt = jt.optim.SGD([w], lr=1e-3)
        stops = []
        def work():
            while not stops:
                {WHILE[doing]}
        threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        pending = x + 1
        for i in range(60):
            pid = os.fork()
            if not pid:
                signal.alarm(60)
                try:
                    assert pending.tolist() == [2, 3, 4] and (x * x).sum().item() == 14
                    chain(7776 + i)
                    opt.step(((w * x) ** 2).sum())
                    os._exit(0 if w.tolist()[2] < 1 else 2)
                except BaseException as error:
                    print(repr(error), file=sys.stderr, flush=True)
                    os._exit(1)
            status = os.waitpid(pid, 0)[1]
            assert status == 0, (i, status)
        stops.append(1)
        for thread in threads:
            thread.join(60)
        assert (x * 2).tolist() == [2, 4, 6]
        print("good")
    """)
    assert done.stdout.strip() == "good", done.stderr


def test_a_signal_handler_forks_while_an_evaluation_runs():
    done = run("""
        import jt, os, signal
        ended = []
        def forks(*_):
            pid = os.fork()
            if not pid:
                os._exit(7)
            ended.append(os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
        signal.signal(signal.SIGALRM, forks)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        big = jt.ones([300, 300])
        while len(ended) < 20:
            assert (big @ big).sum().item() == 300 ** 3
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert set(ended) == {7}
        print("good")
    """)
    assert done.stdout.strip() == "good", done.stderr


def test_the_end_of_the_interpreter_is_quiet():
    done = run("""
        import jt, sys, threading
        class Net(jt.Module):
            def __init__(self):
                self.w = jt.Parameter([1.0])
        class F(jt.Function):
            def execute(self, x):
                self.x = x
                return x * 1
            def grad(self, dz):
                return dz
        net = Net(); opt = jt.optim.Adam(net.parameters()); y = F.apply(net.w); opt.step(y.sum())
        kept = [net, opt, y, memoryview(y), jt.from_dlpack(y), jt.array([1.0]) + 1]
        sys.kept, jt.kept = kept, kept
        threading.Thread(target=lambda: (jt.array([1.0]) + 1).item()).start()
        class Late:
            def __del__(self, x=jt.array([2.0])):
                x + 1
        late = Late(); sys.late = late
    """)
    assert done.returncode == 0 and "Fatal" not in done.stderr and "Segmentation" not in done.stderr, done.stderr


def test_an_interrupt_in_a_loop_of_steps():
    done = run("""
        import jt, signal, os, threading, time
        w = jt.Parameter([1.0] * 1000)
        opt = jt.optim.SGD([w], lr=1e-3)
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        began = time.time()
        try:
            while time.time() - began < 30:
                opt.step((w * w).sum())
            print("never")
        except KeyboardInterrupt:
            opt.step((w * w).sum())
            print("good" if (w + 0).sum().item() > 0 and time.time() - began < 10 else "late")
    """)
    assert done.stdout.strip() == "good", done.stdout + done.stderr


def test_import_is_quick_and_compiles_nothing(tmp_path):
    done = run("""
        import time, sys
        began = time.perf_counter()
        import jt
        spent = time.perf_counter() - began
        print(jt._C.stats()["kernels_compiled"], "numpy" in sys.modules, "torch" in sys.modules)
    """)
    assert done.stdout.split() == ["0", "False", "False"], done.stderr


def test_without_numpy():
    done = run("""
        import sys
        sys.modules["numpy"] = None
        import jt
        x = jt.array([[1.0, 2.0], [3.0, 4.0]])
        assert (x @ x).tolist() == [[7, 10], [15, 22]] and memoryview(x).shape == (2, 2) and memoryview(x.data)[0, 1] == 2
        assert "Tensor" in repr(x) and x[[1]].tolist() == [[3, 4]]
        try:
            x.numpy()
        except ImportError as e:
            print("good", "tolist" in str(e))
    """)
    assert done.stdout.split() == ["good", "True"], done.stderr


def test_the_environment_s_reports_come_at_exit(tmp_path):
    trace = tmp_path / "trace.json"
    program = "import jt; x = (jt.ones((3,)) * 5).sync(); keep = [x]; keep.append(keep)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "JT_TRACE": str(trace), "JT_STATS": "1", "JT_CACHE_DIR": "off"})
    assert done.returncode == 0 and "launches 1" in done.stderr
    events = json.loads(trace.read_text())["traceEvents"]
    assert any(event["cat"] == "kernel" for event in events)


def test_the_memory_limit_of_the_environment_holds(monkeypatch):
    program = """
        import jt
        print(jt.memory_info()["limit_bytes"])
        jt.set_seed(3)
        layers = [jt.nn.Sequential(jt.nn.Linear(32, 32), jt.nn.Tanh()) for _ in range(12)]
        net = jt.nn.Sequential(*layers)
        adam = jt.optim.Adam(net.parameters(), lr=0.01)
        x = jt.randn(2048, 32)
        for _ in range(3):
            adam.step(net(x).square().mean())
        print(net(x).sum().item())
        try:
            jt.ones((1 << 30,)).sync()
            print("it was there")
        except MemoryError as error:
            print("of the limit of" in str(error))
    """
    free = run(program)
    monkeypatch.setenv("JT_MEMORY_LIMIT", "2200K")
    tight = run(program)
    assert free.returncode == 0 and tight.returncode == 0, free.stderr + tight.stderr
    assert tight.stdout.splitlines() == [str(2200 << 10), free.stdout.splitlines()[1], "True"]
