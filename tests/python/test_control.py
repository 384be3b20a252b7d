"""Branches and loops from Python: values, gradients, nests, and what goes wrong."""
import math
import unittest

import jt


class Control(unittest.TestCase):
    def test_cond_computes_one_side(self):
        for flag in (True, False):
            x = jt.array([1.0, 2.0])
            x.requires_grad = True
            y = jt.cond(jt.array(flag), lambda v: v * v, lambda v: v + 1, x)
            self.assertEqual(y.tolist(), [1, 4] if flag else [2, 3])
            self.assertEqual(jt.grad(y.sum(), x).tolist(), [2, 4] if flag else [1, 1])
        self.assertEqual(jt.cond(True, lambda: {"a": jt.ones(2)}, lambda: {"a": jt.zeros(2)})["a"].tolist(), [1, 1])

    def test_fori_loop_counts_from_lower_to_upper(self):
        self.assertEqual(jt.fori_loop(2, 6, lambda i, s: s + i, jt.array(0)).item(), 2 + 3 + 4 + 5)
        self.assertEqual(jt.fori_loop(6, 2, lambda i, s: s + i, jt.array(0)).item(), 0)
        self.assertEqual(jt.fori_loop(jt.array(1), jt.array(4), lambda i, s: s + i, jt.array(0)).item(), 6)

    def test_while_loop_is_newtons_method_with_a_gradient(self):
        for n in (2.0, 3.0, 49.0):
            a = jt.array(n)
            a.requires_grad = True
            root, error = jt.while_loop(lambda v: v[1] > 1e-4, lambda v: ((v[0] + a / v[0]) / 2, (v[0] * v[0] - a).abs()), (a, jt.array(1e9)), max_trips=40)
            self.assertAlmostEqual(root.item(), math.sqrt(n), places=3)
            self.assertAlmostEqual(jt.grad(root, a).item(), 0.5 / math.sqrt(n), places=3)

    def test_a_list_is_sorted_by_loops_and_branches(self):
        n = 6

        def swapped(i, x):
            a, b = jt.slice_at(x, i, 1), jt.slice_at(x, i + 1, 1)
            return jt.cond((a > b).reshape([]), lambda: jt.update_at(jt.update_at(x, b, i), a, i + 1), lambda: x)

        data = [5.0, 1.0, 4.0, 2.0, 6.0, 3.0]
        out = jt.fori_loop(0, n, lambda _, x: jt.fori_loop(0, n - 1, swapped, x), jt.array(data))
        self.assertEqual(out.tolist(), sorted(data))

    def test_second_derivatives(self):
        x = jt.array(1.5)
        x.requires_grad = True
        y = jt.fori_loop(0, 4, lambda i, p: p * x, jt.ones([]))
        first = jt.grad(y, x, create_graph=True) if "create_graph" in jt.grad.__code__.co_varnames else jt.grad(y, x)
        self.assertAlmostEqual(first.item(), 4 * 1.5 ** 3, places=4)
        self.assertAlmostEqual(jt.grad(first, x).item(), 12 * 1.5 ** 2, places=3)

    def test_layers_in_a_loop_train(self):
        jt.set_seed(0)
        layer = jt.nn.Linear(4, 4)
        x = jt.randn(8, 4)
        optimizer = jt.optim.SGD(layer.parameters(), lr=0.1)
        losses = []
        for _ in range(20):
            y = jt.fori_loop(0, 3, lambda i, h: layer(h).tanh(), x)
            loss = ((y - 0.5) ** 2).mean()
            optimizer.step(loss)
            losses.append(loss.item())
        self.assertLess(losses[-1], losses[0] * 0.7)

    def test_bounds_are_integers(self):
        class Integer:  # as NumPy's
            def __init__(self, value):
                self.value = value

            def __index__(self):
                return self.value
        self.assertEqual(jt.fori_loop(Integer(1), Integer(4), lambda i, v: v + i, jt.zeros(())).item(), 6)
        self.assertEqual(jt.fori_loop(-2**63, 2**63 - 1, lambda i, v: v + 1, jt.zeros(()), max_trips=Integer(5)).item(), 5)
        self.assertEqual(jt.while_loop(lambda v: v < 3, lambda v: v + 1, jt.zeros(()), max_trips=2**70).item(), 3)
        for call in (lambda: jt.fori_loop(0, 2.5, lambda i, v: v, jt.zeros(())), lambda: jt.while_loop(lambda v: v < 3, lambda v: v, jt.zeros(()), max_trips=1.5)):
            with self.assertRaisesRegex(TypeError, "'float' object cannot be interpreted as an integer"):
                call()
        for call in (lambda: jt.fori_loop(0, 2, lambda i, v: v, jt.zeros(()), max_trips=-1), lambda: jt.while_loop(lambda v: v < 3, lambda v: v, jt.zeros(()), max_trips=-1)):
            with self.assertRaisesRegex(jt.ArgumentError, "max_trips is -1, which is negative"):
                call()

    def test_errors_name_what_does_not_fit(self):
        x = jt.ones(2)
        with self.assertRaisesRegex(jt.ShapeError, r"while_loop.*f32\[2\].*f32\[3\]"):
            jt.while_loop(lambda v: v.sum() < 3, lambda v: jt.ones(3), x)
        with self.assertRaisesRegex(TypeError, "fori_loop"):
            jt.fori_loop(0, 2, lambda i, v: (v, v), x)
        with self.assertRaisesRegex(TypeError, "cond"):
            jt.cond(True, lambda: x, lambda: (x, x))
        with self.assertRaises(ZeroDivisionError):
            jt.fori_loop(0, 2, lambda i, v: v + 1 // 0, x)
        with self.assertRaisesRegex(jt.Error, "body"):
            jt.fori_loop(0, 2, lambda i, v: v + v.sum().item(), x)
        with self.assertRaisesRegex(jt.Error, "body"):
            jt.while_loop(lambda v: v.sum() > 3 and True, lambda v: v, x)
        self.assertEqual((x + x).tolist(), [2, 2])


if __name__ == "__main__":
    unittest.main()
