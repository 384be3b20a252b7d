"""What test_pytorch.py holds against numbers of PyTorch: calls in names that both have, and learning rates by step.

    ./make_pytorch.py > pytorch.json      # with PyTorch installed
"""
import math


def numbers(shape, seed, low=-2.0, high=2.0):
    """Nested lists of that shape: the same in every language."""
    count = math.prod(shape)
    flat = [low + (high - low) * ((math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453) % 1) for i in range(count)]
    for extent in reversed(shape[1:]):
        flat = [flat[i:i + extent] for i in range(0, len(flat), extent)]
    return flat if shape else flat[0]


# (call, {operand: shape or ("int", shape, classes) or ("chance", shape) or ("sign", shape)})
CALLS = [
    ("F.linear(x, w, b)", {"x": (2, 3, 4), "w": (5, 4), "b": (5,)}),
    ("F.linear(x, w)", {"x": (4,), "w": (5, 4)}),
    ("F.conv1d(x, w, b, stride=2, padding=1, dilation=2)", {"x": (2, 3, 9), "w": (4, 3, 3), "b": (4,)}),
    ("F.conv1d(x, w, padding='same', groups=2)", {"x": (2, 4, 6), "w": (4, 2, 4)}),
    ("F.conv1d(x, w, b)", {"x": (3, 6), "w": (2, 3, 3), "b": (2,)}),
    ("F.conv2d(x, w, b, 2, 1)", {"x": (2, 3, 5, 6), "w": (4, 3, 3, 3), "b": (4,)}),
    ("F.conv2d(x, w, padding='same', dilation=(1, 2))", {"x": (2, 3, 5, 6), "w": (4, 3, 2, 3)}),
    ("F.conv2d(x, w, None, (2, 1), (1, 0), 1, 3)", {"x": (3, 5, 6), "w": (6, 1, 3, 3)}),
    ("F.conv2d(x, w, padding='valid')", {"x": (1, 2, 4, 4), "w": (3, 2, 2, 2)}),
    ("F.conv3d(x, w, b, padding=1)", {"x": (1, 2, 3, 4, 3), "w": (2, 2, 2, 3, 2), "b": (2,)}),
    ("F.unfold(x, 2)", {"x": (2, 3, 4, 5)}), ("F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 2), stride=2)", {"x": (2, 3, 5, 6)}), ("F.unfold(x, 2)", {"x": (3, 4, 5)}),
    ("F.fold(x, (4, 5), 2)", {"x": (2, 12, 12)}), ("F.fold(x, (5, 4), (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 1))", {"x": (1, 12, 10)}),
    ("F.pad(x, (1, 2))", {"x": (2, 3)}), ("F.pad(x, (1, -1, 0, 2), value=3.5)", {"x": (2, 3)}), ("F.pad(x, (2, 1), mode='reflect')", {"x": (2, 3, 4)}),
    ("F.pad(x, (2, 1, 0, 3), mode='replicate')", {"x": (1, 2, 3, 4)}), ("F.pad(x, (3, 1, 2, 0), 'circular')", {"x": (1, 2, 3, 4)}), ("F.pad(x, (1, 1, 1, 1, 1, 1), 'replicate')", {"x": (1, 1, 2, 3, 2)}),
    ("F.interpolate(x, size=(5, 3))", {"x": (2, 3, 4, 6)}), ("F.interpolate(x, scale_factor=2)", {"x": (1, 2, 3)}), ("F.interpolate(x, (7,), mode='nearest-exact')", {"x": (1, 2, 5)}),
    ("F.interpolate(x, size=7, mode='linear')", {"x": (1, 2, 4)}), ("F.interpolate(x, size=(5, 8), mode='bilinear', align_corners=True)", {"x": (2, 1, 3, 4)}),
    ("F.interpolate(x, scale_factor=(1.5, 2.0), mode='bilinear')", {"x": (2, 1, 4, 3)}), ("F.interpolate(x, (3, 2, 5), mode='trilinear')", {"x": (1, 2, 2, 3, 4)}),
    ("F.interpolate(x, size=(2, 2), mode='bilinear')", {"x": (1, 2, 5, 7)}), ("F.interpolate(x, size=1, mode='linear', align_corners=True)", {"x": (1, 2, 5)}),
    ("F.channel_shuffle(x, 2)", {"x": (2, 6, 2, 1)}),
    ("F.layer_norm(x, (3, 4), w, b)", {"x": (2, 3, 4), "w": (3, 4), "b": (3, 4)}), ("F.layer_norm(x, (4,), eps=0.1)", {"x": (2, 3, 4)}), ("F.rms_norm(x, (4,), w)", {"x": (2, 4), "w": (4,)}),
    ("F.group_norm(x, 2, w, b, 1e-3)", {"x": (2, 4, 3), "w": (4,), "b": (4,)}), ("F.instance_norm(x)", {"x": (2, 3, 5)}), ("F.instance_norm(x, weight=w, bias=b, eps=0.01)", {"x": (2, 3, 2, 2), "w": (3,), "b": (3,)}),
    ("F.batch_norm(x, m, v, w, b)", {"x": (2, 3, 4), "m": ("fixed", (3,)), "v": ("fixed chance", (3,)), "w": (3,), "b": (3,)}), ("F.batch_norm(x, None, None, training=True)", {"x": (4, 3)}),
    ("F.normalize(x)", {"x": (2, 3)}), ("F.normalize(x, p=1.0, dim=0, eps=0.5)", {"x": (2, 3)}), ("F.local_response_norm(x, 3, alpha=0.1, beta=0.6, k=2.0)", {"x": (2, 5, 3)}), ("F.local_response_norm(x, 2)", {"x": (2, 5, 2, 2)}),
    ("F.embedding(i, w)", {"i": ("int", (2, 3), 5), "w": (5, 2)}), ("F.embedding(i, w, padding_idx=-1)", {"i": ("int", (4,), 5), "w": (5, 2)}), ("F.one_hot(i)", {"i": ("int", (4,), 5)}), ("F.one_hot(i, 6)", {"i": ("int", (2, 2), 5)}),
    ("F.cosine_similarity(x, y)", {"x": (3, 4), "y": (3, 4)}), ("F.cosine_similarity(x, y, dim=0, eps=0.5)", {"x": (3, 4), "y": (3, 4)}), ("F.pairwise_distance(x, y)", {"x": (3, 4), "y": (3, 4)}),
    ("F.pairwise_distance(x, y, p=1.0, keepdim=True)", {"x": (3, 4), "y": (3, 4)}),
    ("F.scaled_dot_product_attention(x, y, w)", {"x": (2, 3, 4), "y": (2, 5, 4), "w": (2, 5, 3)}), ("F.scaled_dot_product_attention(x, y, w, is_causal=True, scale=0.3)", {"x": (2, 4, 3), "y": (2, 4, 3), "w": (2, 4, 2)}),
    ("F.scaled_dot_product_attention(x, y, w, attn_mask=m > -1)", {"x": (1, 2, 3, 4), "y": (1, 2, 5, 4), "w": (1, 2, 5, 4), "m": (3, 5)}),
    ("F.scaled_dot_product_attention(x, y, w, m)", {"x": (3, 4), "y": (5, 4), "w": (5, 4), "m": (3, 5)}),
    ("F.cross_entropy(x, i, label_smoothing=0.1)", {"x": (3, 4), "i": ("int", (3,), 4)}), ("F.binary_cross_entropy(p, q)", {"p": ("chance", (3, 2)), "q": ("chance", (3, 2))}),
    ("F.binary_cross_entropy_with_logits(x, q, pos_weight=w, reduction='sum')", {"x": (3, 2), "q": ("chance", (3, 2)), "w": ("fixed chance", (2,))}),
    ("F.kl_div(F.log_softmax(x, 1), q, reduction='batchmean')", {"x": (3, 2), "q": ("chance", (3, 2))}), ("F.kl_div(x, y, log_target=True, reduction='none')", {"x": (3, 2), "y": (3, 2)}),
    ("F.logsigmoid(x)", {"x": (5,)}), ("F.prelu(x, w)", {"x": (2, 3, 2), "w": (3,)}),
    ("F.margin_ranking_loss(x, y, s, margin=0.5)", {"x": (5,), "y": (5,), "s": ("sign", (5,))}), ("F.hinge_embedding_loss(x, s, margin=0.7, reduction='sum')", {"x": (6,), "s": ("sign", (6,))}),
    ("F.cosine_embedding_loss(x, y, s, margin=0.1)", {"x": (4, 3), "y": (4, 3), "s": ("sign", (4,))}), ("F.triplet_margin_loss(x, y, w)", {"x": (4, 3), "y": (4, 3), "w": (4, 3)}),
    ("F.triplet_margin_loss(x, y, w, margin=0.2, p=1, swap=True, reduction='none')", {"x": (4, 3), "y": (4, 3), "w": (4, 3)}), ("F.soft_margin_loss(x, s)", {"x": (5,), "s": ("sign", (5,))}),
    ("F.multi_margin_loss(x, i)", {"x": (4, 3), "i": ("int", (4,), 3)}), ("F.multi_margin_loss(x, i, p=2, margin=0.5, weight=w, reduction='none')", {"x": (4, 3), "i": ("int", (4,), 3), "w": ("fixed chance", (3,))}),
    ("F.multilabel_soft_margin_loss(x, q, weight=w)", {"x": (4, 3), "q": ("chance", (4, 3)), "w": (3,)}), ("F.poisson_nll_loss(x, q)", {"x": (4,), "q": ("chance", (4,))}),
    ("F.poisson_nll_loss(p, 5 * q, log_input=False, full=True, reduction='none')", {"p": ("chance", (6,)), "q": ("chance", (6,))}), ("F.gaussian_nll_loss(x, y, p, full=True)", {"x": (4, 2), "y": (4, 2), "p": ("chance", (4, 2))}),
    ("F.gaussian_nll_loss(x, y, p, eps=0.5, reduction='sum')", {"x": (4, 2), "y": (4, 2), "p": ("chance", (4,))}),
    ("F.max_pool2d(x, 2)", {"x": (1, 2, 4, 4)}), ("F.leaky_relu(x, 0.2)", {"x": (5,)}), ("F.softmax(x, dim=0)", {"x": (2, 3)}), ("F.relu(x)", {"x": (5,)}), ("F.gelu(x)", {"x": (5,)}), ("F.elu(x, 0.5)", {"x": (5,)}),
]

# (class and arguments, steps); optimisers begin with two groups, lr 0.1 and 0.02.
SCHEDULES = [
    ("StepLR(o, 3, gamma=0.5)", 10), ("MultiStepLR(o, [2, 5, 5], gamma=0.1)", 8), ("ConstantLR(o, 0.25, total_iters=3)", 6), ("LinearLR(o, 0.2, 0.9, total_iters=4)", 7), ("LinearLR(o)", 7),
    ("ExponentialLR(o, 0.9)", 6), ("PolynomialLR(o, total_iters=4, power=2.0)", 7), ("CosineAnnealingLR(o, T_max=4, eta_min=0.01)", 13), ("CosineAnnealingWarmRestarts(o, 3)", 8),
    ("CosineAnnealingWarmRestarts(o, 2, 2, eta_min=0.001)", 12), ("OneCycleLR(o, 0.5, total_steps=10, cycle_momentum=False)", 9), ("OneCycleLR(o, [0.5, 0.2], epochs=3, steps_per_epoch=4, pct_start=0.25, anneal_strategy='linear', cycle_momentum=False)", 11),
    ("OneCycleLR(o, 0.5, total_steps=12, three_phase=True, cycle_momentum=False)", 11), ("CyclicLR(o, 0.01, 0.1, 3, cycle_momentum=False)", 14), ("CyclicLR(o, 0.01, 0.1, 2, 4, mode='triangular2', cycle_momentum=False)", 14),
    ("CyclicLR(o, 0.01, 0.1, 3, mode='exp_range', gamma=0.9, cycle_momentum=False)", 9), ("LambdaLR(o, lambda e: 0.95 ** e)", 5), ("LambdaLR(o, [lambda e: 1 / (1 + e), lambda e: e / 3])", 5), ("MultiplicativeLR(o, lambda e: 0.9 + e / 100)", 5),
    ("SequentialLR(o, [ConstantLR(o, 0.1, 2), ExponentialLR(o, 0.9)], [3])", 8), ("SequentialLR(o, [LinearLR(o, 0.5, total_iters=2), StepLR(o, 2, 0.5), ExponentialLR(o, 0.5)], [2, 5])", 9),
    ("ChainedScheduler([ConstantLR(o, 0.1, 2), ExponentialLR(o, 0.9)])", 6),
]
LOSSES = [1.0, 0.9, 0.95, 0.94, 0.93, 0.92, 0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.49, 0.4899]
PLATEAUS = ["ReduceLROnPlateau(o, patience=2, factor=0.5)", "ReduceLROnPlateau(o, 'max', patience=1, threshold=0.1, threshold_mode='abs', cooldown=2, min_lr=0.005)", "ReduceLROnPlateau(o, patience=0, threshold=0.02, min_lr=[0.01, 0.001])"]
