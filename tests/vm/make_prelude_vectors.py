#!/usr/bin/env python3
"""Writes prelude_vectors.txt: operands of the functions of prelude.def and their values by mpmath, for prelude_test.

A line is `function type x [y] value rest`, value + rest being the exact one as two doubles (hexadecimal). Operands are the worst
that prelude_sweep and searches over random doubles have found, far arguments whose remainder is least, the ends of ranges, and
a spread over the whole. Needs mpmath; the test needs only the file.
"""
import math
import os
import random
import struct

from mpmath import mp, mpf

mp.prec = 4000
WORST = {  # found by search: f32, f64
    ('exp', 'f64'):
        '-0x1.8c2008660712ap+8 0x1.3418d7eab31e4p+8 -0x1.587d77f5d54a4p+7 0x1.33f0450c7ddbep+9 '
        '0x1.4fa58b7dde55p+5 0x1.b8f1b8c127c3p+5 0x1.fba9db0b0948p+5 0x1.d7b6554985b3p+8',
    ('exp2', 'f64'):
        '0x1.0f42d8b15ddep+9 0x1.0e547d348cddbp-1 0x1.0ec1c6cb95eeep-1 0x1.051fcdbbd136ap-1 '
        '-0x1.f3e2ea09e4244p-2 0x1.d68203aead278p+8 0x1.03c1eb67f079cp+9 -0x1.c33ee6c9bf77ep+9',
    ('expm1', 'f64'):
        '0x1.e552958eb62d4p-5 -0x1.f4059247c705p-5 0x1.dc807b0fcd058p-5 0x1.c653bb959b23ap-5 '
        '0x1.d4fff9ac7fbb6p-5 -0x1.e6eee31cf877dp-5 0x1.e87fa160725ep-5 0x1.cd93d435c2fp-5',
    ('log', 'f64'):
        '0x1.987e4ffc57cd8p+0 0x1.4a03b841146d4p+1 0x1.7ae289ba37b63p-2 0x1.41d1cb190ac5ap-1 '
        '0x1.9ed61c98ef292p+0 0x1.9f01a4810a339p+0 0x1.97098c24d90dep+0 0x1.7e9b52f4a392p-2',
    ('log2', 'f64'):
        '0x1.59954694f5fc8p+0 0x1.55809114d8262p+0 0x1.655387a95d54dp+0 0x1.67598e0952608p+0 '
        '0x1.6377dfb7f47a6p+0 0x1.65d22b508e117p+0 0x1.71f0f1decc691p-1 0x1.639f22403c504p+0',
    ('log10', 'f64'):
        '0x1.4d5bdd0a5c65cp+0 0x1.6614e38f1f967p+0 0x1.97bf77daf5b92p-1 0x1.898951d7789d7p-1 '
        '0x1.4f31a77ca31c4p+0 0x1.88140092ac71p-1 0x1.604e691990a9ap+0 0x1.4e9778e074e1dp+0',
    ('log1p', 'f64'):
        '0x1.1e785db12f538p-2 -0x1.b0f61ed847178p-3 -0x1.a24c01332634ap-3 0x1.02ab6ae0901dap-2 '
        '0x1.9fcca317292acp-2 0x1.1cf688a05b4bp-2 -0x1.3d1c2ed44ef36p-2 0x1.84165fe20644cp-2',
    ('cbrt', 'f64'):
        '0x1.86d884d892242p+6 0x1.ffffffffff927p-1 0x1.fe51557f06904p-1 0x1.508952113bfefp-107 '
        '-0x1.458a381c523c2p-945 -0x1.a69e320a7529p-34 -0x1.5e385358b604ep-26 '
        '-0x1.486f17710e8b3p+5',
    ('sin', 'f64'):
        '0x1.f2d4f0abc658fp+808 0x1.371cf9ac4b7bep+6 0x1.72dd5a957123p+5 0x1.801dc23d6d599p+634 '
        '-0x1.00c2ce6f7adffp+466 -0x1.2a7e0262ca3a6p+6 0x1.24e8673fb1f2ap+8 0x1.65b55fa0483ep+5',
    ('cos', 'f64'):
        '0x1.e3e195173ad14p+5 0x1.9c06df6720a17p-1 -0x1.6fa793dd90423p+6 0x1.e9a2792a64938p+4 '
        '-0x1.2d07c861d0e17p+1 0x1.9cd826bbfca05p-1 0x1.a119be2cc4b88p+467 0x1.aa6e0fcb6e881p-1',
    ('tan', 'f64'):
        '0x1.87bbfbf086022p-1 -0x1.cd718edb28d6ep+9 0x1.8c01dcff00208p+5 0x1.6d486e3c8bcfp-1 '
        '0x1.3a15b36588ab4p+4 -0x1.6230ab3662e96p+2 0x1.75f77b411a6b8p+6 0x1.4994dd898d572p+6',
    ('asin', 'f64'):
        '0x1.01140533194b3p+0 0x1.d8045732709e4p-2 0x1.e59478c4c2026p-3 0x1.6293ee7c92fep-32 '
        '-0x1.50e752f60b684p-316 -0x1.87ce67b8123a2p-1 -0x1.3b1ff8e1bbe14p+0 '
        '-0x1.bf78db16ecf1ep+94',
    ('acos', 'f64'):
        '0x1.7f70cd942baf8p+153 0x1.00012290e25d1p+0 0x1.000000000001cp+0 0x1.cec23d7a68015p-40 '
        '0x1.17b7adbb70d33p-534 -0x1.dcd20b5a0f356p-21 -0x1.1cc651e95b758p-2 '
        '-0x1.b3a20d9659ea2p-1',
    ('atan', 'f64'):
        '0x1.0036a9fccd444p+0 0x1.fff605144c034p-1 0x1.00002e654b467p+0 0x1.0000003d20b2bp+0 '
        '0x1.fffc872f2f263p-1 0x1.0000006cbaf58p+0 0x1.000000f6eaadp+0 0x1.00266f8c91fc6p+0',
    ('sinh', 'f64'):
        '-0x1.27062240a19e2p+4 0x1.270851d774242p+4 -0x1.26b802dbfbb4dp+4 -0x1.288cba81c3928p+4 '
        '0x1.285606e21f8c4p+4 0x1.28fe50e4fcc8p+4 0x1.2a2124548066p+4 0x1.2b3925919ea1ep+4',
    ('cosh', 'f64'):
        '-0x1.3802334bb9156p+1 -0x1.5482cd5b0aaf3p+9 0x1.0e87839484c31p+0 -0x1.e9cf89c608ab8p+1 '
        '-0x1.263fe968e081fp+8 0x1.0c5b73c93e7cdp+0 0x1.e97d9c440b1c8p+1 0x1.c62d7e60b20b3p+0',
    ('tanh', 'f64'):
        '-0x1.38105f81d44ap-1 0x1.e4e10b60816p-1 0x1.b99cc2a94fef4p-1 -0x1.beb0437b01b8p-1 '
        '0x1.f1e3333cea468p-1 0x1.7951ed7b45d86p-1 0x1.f0e61f16c94a9p-1 0x1.94377fcd67096p-1',
    ('asinh', 'f64'):
        '-0x1.f0a17062b5431p-3 0x1.1984c5a675d4p+0 -0x1.56552ae35709cp-2 0x1.8be4141e76a3ep-2 '
        '0x1.00001a675d0f5p+0 0x1.2301f7365cd18p+0 0x1.7aa42ea63988ap-2 0x1.000018fbb1d2bp+0',
    ('acosh', 'f64'):
        '0x1.0f701d19137e3p+0 0x1.13fdf5da08743p+0 0x1.0e1e3b00562aep+0 0x1.105421fde588ap+0 '
        '0x1.07e4189e24e75p+0 0x1.07f2574777c21p+0 0x1.04c271b1d09f5p+0 0x1.0791b1a6a748ep+0',
    ('atanh', 'f64'):
        '0x1.40f75e5c9ff6p-3 -0x1.5c57615b3ba18p-3 -0x1.5e91fb22dd7a8p-3 0x1.5754fd62ad948p-3 '
        '-0x1.f358925bb3bdp-4 -0x1.edee388f5ee3p-4 -0x1.4b74b128a6b88p-3 0x1.f4d50d4d5839p-4',
    ('erf', 'f64'):
        '0x1.fffffdaa3dba5p-1 0x1.ffffff8279ebap-1 0x1.fffffd1c9393dp-1 0x1.ffffffffe8a1ep-1 '
        '0x1.fffffffd067c1p-1 0x1.ffffffffffe3p-1 0x1.ffffffffffe3p-1 0x1.ffff8f8b6d262p-1',
    ('pow', 'f32'):
        '0x1.162c8ep+5,-0x1.9c0374p+1 0x1.a9a1bcp+4,-0x1.5395b4p+4 0x1.cf6f22p+3,0x1.5495eap+2 '
        '0x1.6d36eap+3,0x1.55d826p+3 0x1.00c68ep+5,0x1.44b92p+4 0x1.0004acp+0,-0x1.a5ee3ep+18 '
        '0x1.0e3e08p+0,0x1.f4b39ap+7 0x1.000002p+0,-0x1.dc41cp+26 0x1.0fda6cp+13,0x1.08bbbep+0 '
        '0x1.000002p+0,0x1.393c0ep+24',
    ('pow', 'f64'):
        '0x1.000000000582ap+0,-0x1.de3b348b5bab6p+46 0x1.1b7f97613b7c6p+5,-0x1.59ca0eab686fdp+5 '
        '0x1.7aca22c5c8c9cp+3,0x1.1d1de84bbe1c4p+4 0x1.6754808452e09p-1,0x1.7513dcb24c96cp+10 '
        '0x1.ffffe9767ee2dp-1,0x1.6677ac78b2d86p+29 0x1.c8c3fb0e83b98p+3,0x1.253287592ad8ep+5 '
        '0x1.0b4009488eb72p+5,-0x1.024a624e1839p+2 0x1.003d94cc75f7dp+0,-0x1.abe3eb984a2d1p+16 '
        '0x1.267ba763201d8p+4,-0x1.4e05dc1ba07aep+5 0x1.0000000000001p+0,-0x1.57f875c6e5542p+61',
    ('atan2', 'f32'):
        '0x1.71965ap-36,0x1.87eeep-36 0x1.efe426p-28,0x1.b0b59ap-28 0x1.d50ffep+4,0x1.f34b18p+4 '
        '0x1.69f428p+5,0x1.290feap+5 0x1.77831ap+5,0x1.869732p+5 0x1.5daacp+5,0x1.87eac4p+5 '
        '0x1.7e3202p+5,0x1.8f56a8p+5 0x1.400bf6p+5,0x1.5c26fp+5 0x1.864878p+5,0x1.7f441ap+5 '
        '0x1.34469ap+5,0x1.04bfe8p+5',
    ('atan2', 'f64'):
        '0x1.5fbc725b9b7fp+5,0x1.6194898100f1ap+5 0x1.7587329e73898p+4,0x1.769c722413efp+4 '
        '0x1.58d0763bcd234p+5,0x1.5032f77c597c8p+5 0x1.734290ac9ca1cp+5,0x1.785c41fac4094p+5 '
        '0x1.b4f590443afc3p+4,0x1.acba2933c537cp+4 0x1.221734aeb5cccp+3,0x1.0e243452d8784p+3 '
        '0x1.9951f64eecce2p-42,0x1.966f0359ab512p-42 0x1.a7501d05f3d28p+4,0x1.a6b6f17979bfcp+4 '
        '0x1.8c6abe80ebfd3p+4,0x1.9256c585482ep+4 0x1.76c007724541cp-41,0x1.78070f2af0553p-41',
    ('hypot', 'f32'):
        '0x1.00b888p+5,0x1.06df22p+5 0x1.2a9624p+4,0x1.a248dep+3 0x1.1c1ec6p+4,-0x1.502826p+4 '
        '0x1.29ac76p+4,-0x1.2847dcp+4 0x1.8d7abcp+5,0x1.116cacp+5 0x1.62b4d4p+5,-0x1.077c7ap+5 '
        '0x1.1878fap+4,0x1.f81e52p+3 0x1.aee6dep+4,0x1.2b4592p+5 0x1.290eeep+5,-0x1.4947bap+5 '
        '0x1.486f4ap+4,-0x1.a45b94p+3',
    ('hypot', 'f64'):
        '0x1.0311026be0264p+4,0x1.047cdf3185648p+4 0x1.11cabda289dc8p+4,0x1.0606ef5fdb668p+4 '
        '0x1.4b3a6c070563p+5,0x1.6e21711dac23cp+4 0x1.256234a71e1aap+5,0x1.0305853045104p+5 '
        '0x1.34e9ba9ad7d4ap+4,0x1.20f7394c0294p+4 0x1.1afa09b37acfbp+5,-0x1.394dc34278d16p+5 '
        '0x1.11519524431bbp+5,-0x1.0748a0abbb13cp+5 0x1.5e73158550f9p+2,0x1.2a0060a65268p+2 '
        '0x1.1704f9f7678b6p+5,-0x1.14cc3c04bfe2ap+5 0x1.62661463a99cp+5,-0x1.03c7b35e84f7bp+5',
    ('exp', 'f32'):
        '0x1.2503cep+2 -0x1.a2739cp+2 -0x1.197c2ap+4 0x1.b5f108p+4 0x1.25ee42p+2 0x1.81ce4cp+5 '
        '0x1.ef9f3p+1 -0x1.2020eep+2',
    ('exp2', 'f32'):
        '0x1.46290cp+6 0x1.497d64p+1 -0x1.6e7fc4p+3 0x1.886cb6p+4 0x1.0afcf2p-1 0x1.48ddaap+4 '
        '0x1.f07cfp+3 0x1.396368p+4',
    ('expm1', 'f32'):
        '0x1.7dc446p-2 0x1.8d9c5p-2 0x1.9899cp-2 0x1.71ad7ep-2 0x1.76b6fcp-2 0x1.90b974p-2 '
        '0x1.9f02ecp-2 0x1.88aa44p-2',
    ('log', 'f32'):
        '0x1.37ae42p-1 0x1.8faadap+0 0x1.9ff81ep+0 0x1.570b4cp+1 0x1.a34426p+0 0x1.a5bd2cp+0 '
        '0x1.91aea6p+0 0x1.930e54p+0',
    ('log2', 'f32'):
        '0x1.69e594p+0 '
        '0x1.64ce72p+0 0x1.65ff3cp+0 0x1.67eb96p+0 0x1.514c98p+0 0x1.67bcb2p+0 0x1.7262b4p-1 '
        '0x1.63286ep+0 0x1.6051ap+0',
    ('log10', 'f32'):
        '0x1.51f0b6p+0 0x1.85cd1cp-1 0x1.4b878ap+0 0x1.751bb6p+0 0x1.6e9b18p+0 0x1.932c2p-1 '
        '0x1.52ac46p+0 0x1.8f2488p-1',
    ('log1p', 'f32'):
        '-0x1.2fe37cp-2 0x1.a004d2p-2 0x1.7c06dp-2 0x1.8e118ap-2 0x1.20b7d6p-2 0x1.a8fe76p-2 '
        '-0x1.2e3d78p-2 0x1.996cc2p-2',
    ('cbrt', 'f32'):
        '0x1.6635p-132 0x1.ca84p-133 0x1.554ap-133 0x1.f8bd8p-132 0x1.6258p-134 0x1.8fe7p-133 '
        '0x1.c3fdp-132 0x1.a8aep-134',
    ('sin', 'f32'):
        '0x1.7ee7ccp+13 '
        '0x1.71d8eep+17 0x1.4b5506p+115 0x1.2b5ca6p+119 -0x1.454844p+77 -0x1.eedf3p+41 '
        '0x1.218362p+73 0x1.7e933p+102 0x1.480b98p+26',
    ('cos', 'f32'):
        '0x1.b4c48cp+55 0x1.eec1d2p+58 0x1.3b6976p+107 0x1.58df9p+86 -0x1.582498p+44 '
        '0x1.a76dc2p+98 0x1.8dd5dcp+48 -0x1.6db40cp+24',
    ('tan', 'f32'):
        '-0x1.3cfdf4p+90 -0x1.2871fap+47 -0x1.ed994cp+96 -0x1.a8661p+17 -0x1.a2db06p+78 '
        '-0x1.9f3046p+56 -0x1.4ada0ap+74 0x1.fe1abep+126',
    ('asin', 'f32'):
        '0x1.06af04p-1 0x1.c41a46p-2 -0x1.d5edd6p-2 -0x1.0d8524p-1 -0x1.1824ccp-1 0x1.cda096p-2 '
        '-0x1.07eefap-1 0x1.aef268p-2',
    ('acos', 'f32'):
        '0x1.2862e4p-1 0x1.55ffaep-27 0x1.55e83cp-27 0x1.55d0cap-27 0x1.55b958p-27 0x1.55a1e6p-27 '
        '0x1.558a74p-27 0x1.557302p-27',
    ('atan', 'f32'):
        '0x1.fcd456p-1 0x1.0p+0 '
        '-0x1.facff2p-1 -0x1.ff066ep-1 0x1.c6bbd6p-1 -0x1.cb017ep-1 -0x1.d7760ep-1 -0x1.d3e3bp-1 '
        '-0x1.e0cd7ap-1 -0x1.a81cd4p-1',
    ('sinh', 'f32'):
        '-0x1.154c08p+3 -0x1.1c70c4p+3 0x1.1a0004p+3 0x1.1b484p+3 -0x1.1e16c8p+3 0x1.1e9448p+3 '
        '0x1.ffe61ap+2 0x1.1ec32cp+3',
    ('cosh', 'f32'):
        '0x1.15c988p+3 -0x1.4f1c6p+2 -0x1.e9ba6ap+1 0x1.bdd34ap+0 0x1.e86302p+1 -0x1.7b5876p+2 '
        '-0x1.290784p+5 0x1.4d20dap+2',
    ('tanh', 'f32'):
        '-0x1.beeab6p-1 0x1.bdc232p-1 0x1.3f01e2p-1 0x1.d1d0b8p-1 0x1.d8c69p-1 -0x1.2f5076p-1 '
        '-0x1.ee5b62p-1 0x1.1f694p-1',
    ('asinh', 'f32'):
        '-0x1.ff5978p-3 0x1.fe1982p-3 0x1.f12fb8p-3 -0x1.5f9a7ep-2 -0x1.6186d8p-2 -0x1.edf2dcp-3 '
        '0x1.f379dap-3 0x1.407f5cp-2',
    ('acosh', 'f32'):
        '0x1.71f838p+1 0x1.0f736ap+0 0x1.0d11d6p+0 0x1.7ee85cp+0 0x1.09ae5cp+0 0x1.1f7a58p+0 '
        '0x1.666e1cp+1 0x1.0f5bf8p+0',
    ('atanh', 'f32'):
        '0x1.569808p-3 0x1.5afd68p-3 -0x1.5ee548p-3 0x1.7af3d2p-3 -0x1.fbcd74p-4 0x1.e5dadap-4 '
        '0x1.5d3018p-3 0x1.ea28c8p-4',
    ('erf', 'f32'):
        '0x1.108f68p+0 '
        '-0x1.13ff68p+0 0x1.384c06p+0 0x1.11bd8cp+0 0x1.fa341ap-1 -0x1.eb9c06p-1 0x1.f30f5ep-1 '
        '-0x1.34827ep+0 0x1.0adf26p+0',
}
UNARY = {
    'exp': mp.exp, 'exp2': lambda x: mpf(2) ** x, 'expm1': mp.expm1, 'log': mp.log, 'log2': lambda x: mp.log(x) / mp.log(2),
    'log10': lambda x: mp.log(x) / mp.log(10), 'log1p': lambda x: mp.log(1 + x), 'cbrt': lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    'sin': mp.sin, 'cos': mp.cos, 'tan': mp.tan, 'asin': mp.asin, 'acos': mp.acos, 'atan': mp.atan, 'sinh': mp.sinh,
    'cosh': mp.cosh, 'tanh': mp.tanh, 'asinh': lambda x: mp.sign(x) * mp.log(abs(x) + mp.sqrt(x * x + 1)),
    'acosh': lambda x: mp.log(x + mp.sqrt(x * x - 1)), 'atanh': lambda x: mp.log((1 + x) / (1 - x)) / 2, 'erf': mp.erf}
BINARY = {'pow': lambda x, y: mp.power(x, y), 'atan2': mp.atan2, 'hypot': lambda x, y: mp.sqrt(x * x + y * y)}
RANGE = {'exp': (-746, 710), 'exp2': (-1076, 1025), 'expm1': (-40, 710), 'log': (0, 1e3), 'log2': (0, 1e3), 'log10': (0, 1e3),
         'log1p': (-1, 1e3), 'asin': (-1, 1), 'acos': (-1, 1), 'sinh': (-711, 711), 'cosh': (-711, 711), 'tanh': (-22, 22),
         'acosh': (1, 1e3), 'atanh': (-1, 1), 'erf': (-6, 6)}
RANGE_F32 = {'exp': (-104, 89), 'exp2': (-150, 128), 'expm1': (-18, 89), 'sinh': (-90, 90), 'cosh': (-90, 90), 'tanh': (-10, 10),
             'erf': (-4, 4)}
FAR = ['0x1.6ac5b262ca1ffp+849', '0x1.921fb54442d18p+0', '0x1.921fb54442d18p+1', '0x1.fffffffffffffp+1023', '0x1.4p+20',
       '0x1.0p+60', '0x1.921fb6p+0', '0x1.921fb6p+1', '0x1.fffffep+127', '0x1.9p+13', '0x1.5f9ed2p+50', '0x1.0p+24', '0x1.86a0p+16']


def rounded(kind, x):
    return x if kind == 'f64' else struct.unpack('f', struct.pack('f', x))[0]


def is_finite(kind, x):
    return abs(x) <= (3.4028234663852886e38 if kind == 'f32' else 1.7976931348623157e308)


def pair(value):
    high = float(mpf(value))
    return high, (0.0 if math.isinf(high) else float(mpf(value) - mpf(high)))


def spread(name, kind, chance, count):
    low, high = (RANGE_F32.get(name) if kind == 'f32' else None) or RANGE.get(name, (-50, 50))
    for _ in range(count):
        yield rounded(kind, chance.uniform(low, high))
        yield rounded(kind, chance.choice((-1, 1)) * math.ldexp(1 + chance.random(), chance.randrange(-40, 20)))


def lines():
    chance = random.Random(1)
    for name, function in UNARY.items():
        for kind in 'f32', 'f64':
            xs = [float.fromhex(t) for t in WORST.get((name, kind), '').split()] + list(spread(name, kind, chance, 6))
            if name in ('sin', 'cos', 'tan'):
                xs += [s * float.fromhex(t) for t in FAR for s in (1, -1) if is_finite(kind, float.fromhex(t))]
            for x in xs:
                x = rounded(kind, x)
                low, high = RANGE.get(name, (-math.inf, math.inf))
                if name.startswith(('log', 'acosh', 'asin', 'acos', 'atanh')) and name != 'asinh' and not low < x <= (
                        math.inf if name.startswith(('log', 'acosh')) else high):
                    continue
                if name == 'atanh' and abs(x) >= 1 or x == 0:
                    continue
                yield '%s %s %s %s %s' % ((name, kind, x.hex()) + tuple(v.hex() for v in pair(function(mpf(x)))))
    for name, function in BINARY.items():
        for kind in 'f32', 'f64':
            operands = [tuple(float.fromhex(v) for v in t.split(',')) for t in WORST.get((name, kind), '').split()]
            for _ in range(24):
                x = rounded(kind, math.ldexp(1 + chance.random(), chance.randrange(-30, 30)))
                y = chance.choice((-1, 1)) * math.ldexp(1 + chance.random(), chance.randrange(-30, 30))
                if name == 'pow':
                    y = chance.uniform(-1, 1) * (126 if kind == 'f32' else 1020) / math.log2(x)
                operands.append((x, rounded(kind, y)))
            for x, y in operands:
                yield '%s %s %s %s %s %s' % ((name, kind, x.hex(), y.hex()) + tuple(v.hex() for v in pair(function(mpf(x), mpf(y)))))


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data', 'prelude_vectors.txt'), 'w') as out:
    out.write('\n'.join(lines()) + '\n')
