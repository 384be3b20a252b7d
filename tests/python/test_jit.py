"""Static graphs from Python: what jt.jit.trace records gives what the calls give; what would be baked in is an error."""
import os
import subprocess
import tempfile
import unittest

import jt


class Net(jt.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = jt.nn.Linear(4, 8), jt.nn.BatchNorm1d(8), jt.nn.Linear(8, 3)

    def execute(self, x):
        return self.last(jt.nn.functional.relu(self.norm(self.first(x))))


def seeded(make):
    jt.manual_seed(7)
    return make()


def batch(n=6):
    x = jt.array([[((i * 7 + j * 3) % 11) / 5 - 1 for j in range(4)] for i in range(n)])
    return x, jt.array([i % 3 for i in range(n)])


class Trace(unittest.TestCase):
    def test_a_function(self):
        w = jt.array([1.0, -2.0, 0.5])
        graph = jt.jit.trace(lambda x: jt.tanh(x * w) + x, jt.zeros(2, 3))
        for shift in (0.0, 1.5, -4.0):
            x = jt.array([[shift, 1, 2], [3, -shift, 5]])
            self.assertEqual(graph(x).tolist(), (jt.tanh(x * w) + x).tolist())
        self.assertEqual([(p.name, p.shape) for p in graph.inputs], [("x", (2, 3))])
        self.assertEqual([p.name for p in graph.outputs], ["output"])

    def test_values_are_packed_as_they_were(self):
        def function(pair, scale):
            return {"sum": pair[0] + pair[1], "both": (pair[0] * scale, [pair[1] / scale])}

        graph = jt.jit.trace(function, ((jt.zeros(2), jt.zeros(2)), jt.array(1.0)))
        made = graph((jt.array([1.0, 2.0]), jt.array([3.0, 5.0])), 2.0)
        self.assertEqual(made["sum"].tolist(), [4, 7])
        self.assertEqual(made["both"][0].tolist(), [2, 4])
        self.assertEqual(made["both"][1][0].tolist(), [1.5, 2.5])
        self.assertEqual([p.name for p in graph.inputs], ["pair.0", "pair.1", "scale"])
        self.assertEqual([p.name for p in graph.outputs], ["sum", "both.0", "both.1.0"])
        with self.assertRaisesRegex(TypeError, r"arguments are tuple\(\*, \*\), the traced ones were"):
            graph(jt.zeros(2), jt.zeros(2))
        by_name = graph(**{"pair.0": jt.ones(2), "pair.1": jt.ones(2), "scale": 4.0})
        self.assertEqual(by_name["both.1.0"].tolist(), [0.25, 0.25])
        with self.assertRaisesRegex(TypeError, "inputs are"):
            graph(x=1)

    def test_a_module_names_its_states(self):
        net = seeded(Net)
        net.eval()
        x, _ = batch()
        graph = jt.jit.trace(net, x)
        wanted = net(x).tolist()
        self.assertEqual(graph(x).tolist(), wanted)
        names = [name for name, _ in [*net.named_parameters(), *net.named_buffers()]]
        self.assertTrue({p.name for p in graph.states} <= set(names))
        self.assertIn("first.weight", names)
        self.assertTrue(next(p for p in graph.states if p.name == "first.weight").is_parameter)
        net.first.weight.assign(net.first.weight * 2)  # it shares the module's weights
        self.assertEqual(graph(x).tolist(), net(x).tolist())
        self.assertNotEqual(graph(x).tolist(), wanted)

    def test_gradients_go_through_it(self):
        net = seeded(Net)
        net.eval()
        x, labels = batch()
        graph = jt.jit.trace(net, x)
        weight = net.first.weight
        self.assertEqual(jt.grad(jt.cross_entropy(graph(x), labels), weight).tolist(),
                         jt.grad(jt.cross_entropy(net(x), labels), weight).tolist())

    def test_running_statistics_are_part_of_it(self):
        x, _ = batch()
        eager, net = seeded(Net), seeded(Net)
        graph = jt.jit.trace(net, x)
        before = net.norm.running_mean.tolist()
        self.assertEqual(before, eager.norm.running_mean.tolist())  # recorded, not done
        for _ in range(3):
            self.assertEqual(graph(x).tolist(), eager(x).tolist())
        self.assertEqual(net.norm.running_mean.tolist(), eager.norm.running_mean.tolist())
        self.assertNotEqual(net.norm.running_mean.tolist(), before)

    def test_whole_steps(self):
        x, labels = batch()

        def setting():
            net = seeded(Net)
            return net, jt.optim.Adam(net.parameters(), lr=0.05)

        eager, eager_adam = setting()
        net, adam = setting()

        def step(x, labels):
            loss = jt.cross_entropy(net(x), labels)
            adam.step(loss)
            return loss

        graph = jt.jit.trace(step, (x, labels))
        wanted, got = [], []
        for i in range(8):
            if i == 4:
                eager_adam.lr = adam.lr = 0.01
            loss = jt.cross_entropy(eager(x), labels)
            eager_adam.step(loss)
            wanted.append(loss.item())
            got.append(graph(x, labels).item())
        self.assertEqual(got, wanted)
        self.assertLess(got[-1], got[0])
        self.assertEqual([p.tolist() for p in net.parameters()], [p.tolist() for p in eager.parameters()])
        self.assertIn("net.first.weight", [p.name for p in graph.states])

    def test_steps_with_gradients_of_their_own(self):
        x, labels = batch()

        def setting():
            net = seeded(Net)
            return net, jt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def stepper(net, sgd):
            def step(x, labels):
                sgd.zero_grad()
                loss = jt.cross_entropy(net(x), labels)
                loss.backward()
                sgd.step()
                return loss
            return step

        one, other = stepper(*setting()), stepper(*setting())
        graph = jt.jit.trace(other, (x, labels))
        self.assertEqual([graph(x, labels).item() for _ in range(5)], [one(x, labels).item() for _ in range(5)])

    def test_random_numbers_are_drawn_anew(self):
        drop = jt.nn.Dropout(0.5)
        graph = jt.jit.trace(drop, jt.ones(64))
        jt.manual_seed(3)
        wanted = [drop(jt.ones(64)).tolist() for _ in range(3)]
        jt.manual_seed(3)
        self.assertEqual([graph(jt.ones(64)).tolist() for _ in range(3)], wanted)
        self.assertNotEqual(wanted[0], wanted[1])

    def test_control_flow_stays(self):
        graph = jt.jit.trace(lambda x: jt.cond(x.sum() > 0, lambda: x * 2, lambda: x - 1), jt.ones(3))
        self.assertEqual(graph(jt.ones(3)).tolist(), [2, 2, 2])
        self.assertEqual(graph(jt.full((3,), -0.5)).tolist(), [-1.5, -1.5, -1.5])

    def test_traced_in_a_trace(self):
        inner = jt.jit.trace(lambda x: x * 2, jt.zeros(2))
        outer = jt.jit.trace(lambda x: inner(x) + inner(x + 1), jt.zeros(2))
        self.assertEqual(outer(jt.array([1.0, 2.0])).tolist(), [6, 10])


class AtFirstCall(unittest.TestCase):
    def test_once_for_each_shape(self):
        calls = []

        @jt.jit.trace
        def double(x):
            """Twice x."""
            calls.append(tuple(x.shape))
            return x * 2

        for _ in range(3):
            for n in (2, 5):
                self.assertEqual(double(jt.ones(n)).tolist(), [2.0] * n)
        self.assertEqual(calls, [(2,), (5,)])
        self.assertEqual(double(jt.array([3])).tolist(), [6])  # another dtype
        self.assertEqual(len(double.graphs), 3)
        self.assertEqual((double.__name__, double.__doc__), ("double", "Twice x."))

    def test_another_mode_is_another_graph(self):
        drop = jt.nn.Dropout(0.5)
        dropped = jt.jit.trace(drop)
        self.assertIn(0.0, dropped(jt.ones(64)).tolist())
        drop.eval()
        self.assertEqual(dropped(jt.ones(64)).tolist(), [1.0] * 64)
        drop.train()
        self.assertIn(0.0, dropped(jt.ones(64)).tolist())

    def test_methods(self):
        class Scaled:
            def __init__(self, by):
                self.by = by

            @jt.jit.trace
            def apply(self, x):
                return x * self.by

        self.assertEqual([Scaled(k).apply(jt.ones(2)).tolist() for k in (2.0, 3.0)], [[2, 2], [3, 3]])

    def test_in_a_trace_it_is_the_function(self):
        inner = jt.jit.trace(lambda x: x + 1)
        self.assertEqual(jt.jit.trace(lambda x: inner(x) * 2, jt.ones(2))(jt.ones(2)).tolist(), [4, 4])


@unittest.skipUnless(os.environ.get("JT_TOOL"), "JT_TOOL names the jt command")
class Tool(unittest.TestCase):
    def run_tool(self, *args):
        done = subprocess.run([os.environ["JT_TOOL"], *args], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def test_commands(self):
        w = jt.array([1.0, 2.0])
        w.requires_grad = True
        graph = jt.jit.trace(lambda x, n: {"y": x * w, "m": n + 1}, (jt.zeros(2), jt.array([1, 2, 3])))
        with tempfile.TemporaryDirectory() as folder:
            path, other, given, made = (os.path.join(folder, name) for name in ("a.jt", "b.jt", "in", "out"))
            graph.save(path)
            code, out, _ = self.run_tool("show", path)
            self.assertEqual(code, 0)
            for line in ("input      x: f32[2]", "input      n: i64[3]", "parameter  parameter: f32[2]", "output     y: f32[2]"):
                self.assertIn(line, out)
            self.assertEqual(self.run_tool("print", path), (0, graph.graph, ""))
            jt.save({"x": jt.array([3.0, 4.0]), "n": jt.array([5, 6, 7])}, given)
            code, out, _ = self.run_tool("run", path, given)
            self.assertEqual(out.splitlines(), ["y: f32[2] 3 8", "m: i64[3] 6 7 8"])
            self.assertEqual(self.run_tool("run", path, given, made)[0], 0)
            self.assertEqual({name: value.tolist() for name, value in jt.load(made).items()}, {"y": [3, 8], "m": [6, 7, 8]})
            self.assertEqual(self.run_tool("run", path, "-")[0], 0)
            code, out, _ = self.run_tool("time", path, "5")
            self.assertEqual(code, 0)
            self.assertIn("then 5 runs", out)
            self.assertEqual(self.run_tool("diff", path, path), (0, "", ""))
            w.assign(w + 1)
            graph.save(other)
            self.assertEqual(self.run_tool("diff", path, other), (1, "state parameter\n", ""))
            with open(path, "r+b") as file:
                file.truncate(100)
            code, _, err = self.run_tool("show", path)
            self.assertEqual(code, 1)
            self.assertIn(path, err)
        self.assertEqual(self.run_tool("show")[0], 2)
        self.assertEqual(self.run_tool("time", "nothing", "0")[0], 2)
        self.assertIn("nothing", self.run_tool("show", "nothing")[2])


class Refused(unittest.TestCase):
    def test_what_would_be_baked_in(self):
        x = jt.ones(3)
        for ask in (lambda x: bool(x.sum() > 0), lambda x: float(x.sum()), lambda x: int(x.sum()), lambda x: x.tolist(),
                    lambda x: x.sum().item(), lambda x: str(x), lambda x: range(3)[x.sum().to(jt.int64)]):
            with self.assertRaisesRegex(Exception, "baked in"):
                jt.jit.trace(lambda x, ask=ask: x * (1 if ask(x) else 2), x)
            self.assertFalse(jt.jit.is_tracing())
            self.assertEqual((x + 1).tolist(), [2, 2, 2])

    def test_shapes_are_those_of_the_examples(self):
        graph = jt.jit.trace(lambda x: x.reshape(len(x), -1), jt.zeros(2, 3, 4))
        self.assertEqual(graph(jt.zeros(2, 3, 4)).shape, (2, 12))
        with self.assertRaisesRegex(jt.errors.ShapeError, r"input 'x' is f32\[5,3,4\], not f32\[2,3,4\]"):
            graph(jt.zeros(5, 3, 4))
        with self.assertRaisesRegex(jt.errors.DTypeError, "input 'x' is i64"):
            graph(jt.zeros(2, 3, 4).to(jt.int64))

    def test_an_exception_leaves_everything_as_it_was(self):
        w = jt.array([1.0, 2.0])

        def function(x):
            w.assign(w + x)
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            jt.jit.trace(function, jt.ones(2))
        self.assertEqual(w.tolist(), [1, 2])
        with self.assertRaisesRegex(Exception, "already"):
            jt.jit.trace(lambda x: jt.jit.trace(lambda y: y, x)(x), jt.ones(2))


class Check(unittest.TestCase):
    def test_compares_with_the_function(self):
        net = seeded(Net)
        x, _ = batch()
        graph = jt.jit.trace(net, x, check_inputs=[x * 2, x - 1])
        mean = net.norm.running_mean.tolist()
        graph.check(x)
        self.assertEqual(net.norm.running_mean.tolist(), mean)

    def test_finds_what_was_decided_outside(self):
        sign = [1.0]
        graph = jt.jit.trace(lambda x: x * sign[0], jt.ones(2))
        graph.check(jt.ones(2))
        sign[0] = -1.0
        with self.assertRaisesRegex(jt.errors.Error, "output 'output' differs in 2 of 2 elements, by up to 2"):
            graph.check(jt.ones(2))


class Files(unittest.TestCase):
    def test_a_file_is_the_graph_and_its_states(self):
        net = seeded(Net)
        net.eval()
        x, _ = batch()
        graph = jt.jit.trace(net, x)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.jt")
            graph.save(path)
            read = jt.jit.load(path)
            self.assertEqual(read(x).tolist(), net(x).tolist())
            self.assertEqual(read.graph, graph.graph)
            self.assertEqual(sorted(jt.load(path)), sorted(p.name for p in graph.states))  # a checkpoint too
            again = os.path.join(folder, "again.jt")
            jt.jit.save(read, again)
            with open(path, "rb") as one, open(again, "rb") as other:
                self.assertEqual(one.read(), other.read())
        read.load_state_dict({name: value * 0 for name, value in read.state_dict().items()})
        self.assertEqual(read(x).tolist(), [[0, 0, 0]] * 6)
        self.assertNotEqual(graph(x).tolist(), [[0, 0, 0]] * 6)
        with self.assertRaises(KeyError):
            read.load_state_dict({})

    def test_text(self):
        graph = jt.jit.trace(lambda x, y: (x + y, x * y), (jt.zeros(2), jt.zeros(2)))
        read = jt.jit.parse(graph.graph)
        self.assertEqual([t.tolist() for t in read(jt.array([1.0, 2.0]), jt.array([3.0, 4.0]))], [[4, 6], [3, 8]])
        with self.assertRaisesRegex(jt.errors.Error, "line 1"):
            jt.jit.parse("nonsense")

    def test_as_c(self):
        graph = jt.jit.trace(lambda x: x * 2, jt.zeros(2))
        with tempfile.TemporaryDirectory() as folder:
            graph.export_c(folder, "twice")
            self.assertEqual(sorted(os.listdir(folder)), ["twice.c", "twice.h"])
            with self.assertRaisesRegex(jt.errors.Error, "no C identifier"):
                graph.export_c(folder, "2")

    def test_memory(self):
        w, b = jt.array([2.0], jt.float64), jt.array([3.0], jt.float64)
        graph = jt.jit.trace(lambda x: w * x + b, jt.array([1.0], jt.float64))
        memory = graph.memory
        self.assertEqual((memory["inputs"], memory["constants"], memory["outputs"], memory["arena"], memory["steps"]),
                         (8, 16, 8, 0, 1))  # 32 bytes in all: the product needs no place


if __name__ == "__main__":
    unittest.main()
