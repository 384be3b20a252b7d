"""no_grad, enable_grad and set_grad_enabled: per thread, in generators and coroutines, after exceptions."""
import asyncio
import threading

import pytest

import jt


@pytest.fixture
def w():
    return jt.Parameter([1.0, 2.0])


def lets_through(y):
    """Whether a gradient flows through y to anything."""
    try:
        y.sum().backward()
        return True
    except jt.ArgumentError:
        return False


def test_it_is_this_threads(w):
    inside, go_on, seen = threading.Event(), threading.Event(), {}

    def other():
        with jt.no_grad():
            seen["other before"] = lets_through(w * 2)
            inside.set()
            go_on.wait(10)
            seen["other after"] = lets_through(w * 2)
            seen["other mode"] = jt.is_grad_enabled()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert jt.is_grad_enabled() and lets_through(w * 3) and jt.flags.no_grad == 0
    with jt.no_grad():
        assert not lets_through(w * 3)
    assert lets_through(w * 3)
    go_on.set()
    thread.join()
    assert seen == {"other before": False, "other after": False, "other mode": False} and jt.is_grad_enabled()


def test_a_new_thread_begins_with_gradients(w):
    seen = []
    with jt.no_grad():
        thread = threading.Thread(target=lambda: seen.append((jt.is_grad_enabled(), lets_through(w * 2))))
        thread.start()
        thread.join()
        assert not jt.is_grad_enabled()
    assert seen == [(True, True)]


def test_many_threads_switch_at_once(w):
    shared, wrong = jt.no_grad(), []

    def work(quiet):
        for _ in range(300):
            if quiet:
                with shared:
                    wrong.append(1) if (w * 2).detach() is None or jt.is_grad_enabled() or lets_through_locally() else None
            elif not jt.is_grad_enabled() or not lets_through_locally():
                wrong.append(2)

    def lets_through_locally():
        try:
            jt.grad((w * 2).sum(), w)
            return True
        except jt.ArgumentError:
            return False

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_a_generator_has_its_own_mode(w):
    @jt.no_grad()
    def numbers():
        for i in range(3):
            assert not jt.is_grad_enabled()
            got = yield w * i
            assert not jt.is_grad_enabled() and got in (None, "x")
        return "end"

    at = numbers()
    for _ in range(2):
        y = next(at)
        assert jt.is_grad_enabled() and not lets_through(y) and lets_through(w * 2)
    at.send("x")
    with pytest.raises(StopIteration) as end:
        next(at)
    assert end.value.value == "end" and jt.is_grad_enabled()


def test_a_generator_that_is_thrown_into_or_closed(w):
    log = []

    @jt.no_grad()
    def steps():
        try:
            try:
                yield 1
            except KeyError:
                log.append(jt.is_grad_enabled())
                yield 2
        finally:
            log.append(jt.is_grad_enabled())

    at = steps()
    assert next(at) == 1 and at.throw(KeyError("k")) == 2 and jt.is_grad_enabled()
    at.close()
    assert log == [False, False] and jt.is_grad_enabled()
    at = steps()
    next(at)
    with pytest.raises(ValueError):
        at.throw(ValueError("v"))
    assert jt.is_grad_enabled()

    @jt.flag_scope(no_grad=1)
    def flagged():
        yield jt.is_grad_enabled()

    assert next(flagged()) is False and jt.is_grad_enabled()


def test_a_coroutine_has_its_own_mode():
    seen = []

    @jt.no_grad()
    async def quiet():
        seen.append(jt.is_grad_enabled())
        await asyncio.sleep(0.01)
        seen.append(jt.is_grad_enabled())
        return 5

    async def loud():
        for _ in range(5):
            seen.append("loud" if jt.is_grad_enabled() else "wrong")
            await asyncio.sleep(0.003)

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both())[0] == 5 and seen.count(False) == 2 and "wrong" not in seen and True not in seen


def test_exceptions_restore_what_was(w):
    for block in (jt.no_grad, lambda: jt.flag_scope(no_grad=1), lambda: jt.set_grad_enabled(False)):
        with pytest.raises(ZeroDivisionError):
            with block():
                with jt.enable_grad():
                    assert jt.is_grad_enabled()
                    with block():
                        assert not jt.is_grad_enabled()
                        1 / 0
        assert jt.is_grad_enabled()
    mode = jt.no_grad()
    with mode:
        with jt.enable_grad():
            with mode:
                assert not jt.is_grad_enabled()
            assert jt.is_grad_enabled()
        assert not jt.is_grad_enabled()
    assert jt.is_grad_enabled()


def test_decorators():
    @jt.no_grad
    def bare(x, *, k=1):
        """A doc."""
        return jt.is_grad_enabled(), x, k

    @jt.no_grad()
    @jt.enable_grad()
    def nested():
        return jt.is_grad_enabled()

    assert bare(2, k=3) == (False, 2, 3) and bare.__doc__ == "A doc." and nested() and jt.is_grad_enabled()

    @jt.set_grad_enabled(False)
    def off():
        return jt.is_grad_enabled()

    assert jt.is_grad_enabled() and not off() and jt.is_grad_enabled()
    jt.set_grad_enabled(False)
    assert not jt.is_grad_enabled()
    jt.set_grad_enabled(True)
    assert jt.is_grad_enabled()


def test_a_gradient_in_python_sees_the_mode_of_who_asked(w):
    modes = []

    class Double(jt.Function):
        def execute(self, x):
            return x * 2

        def grad(self, dz):
            modes.append(jt.is_grad_enabled())
            with jt.no_grad():
                modes.append(jt.is_grad_enabled())
            modes.append(jt.is_grad_enabled())
            return dz * 2

    assert jt.grad(Double.apply(w).sum(), w, create_graph=False).tolist() == [2, 2]
    assert modes == [False] * 3 and jt.is_grad_enabled() and lets_through(w * 2)
    modes.clear()
    jt.grad(Double.apply(w).sum(), w, create_graph=True)
    assert modes == [True, False, True] and jt.is_grad_enabled()
