//! Whatever is wrong with a call is an error that names the op, or a panic with its text; never a crash, and the context goes on.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Mutex};

use crate::support::{build, call, context, Given, NAMES};
use jt::custom::{Code, Custom};
use jt::data::{load_idx, Batches};
use jt::{index, io, nn, optim, Context, DType, Error, ErrorKind, Runtime, Tensor, Type};

const INTS: &[&str] =
    &["axes", "shape", "starts", "stops", "steps", "before", "after", "size", "stride", "dilation", "padding", "sizes", "shifts", "times"];
const INTEGERS: &[&str] =
    &["axis", "seed", "stream", "counter", "groups", "classes", "correction", "k", "diagonal", "offset", "axis1", "axis2", "length"];
const REALS: &[&str] = &["value", "p", "slope", "alpha", "low", "high", "eps", "beta", "delta", "rtol", "atol", "nan", "posinf", "neginf"];
const FLAGS: &[&str] = &["keepdims", "channels_last", "negative", "log_target", "descending", "largest", "equal_nan"];
const FIELD_FLAGS: &[&str] = &["affine", "bias", "ceil_mode", "count_include_pad", "elementwise_affine", "track_running_stats"];
const FIELD_WORDS: &[&str] = &["reduction", "approximate", "nonlinearity"];

fn wild(list: &str, integer: i64, real: f64, text: &str, dtype: &str) -> Given {
    let mut out = Given::default();
    let mut set = |name: &str, value: String| out.0.insert(name.to_owned(), value);
    INTS.iter().for_each(|name| drop(set(name, list.to_owned())));
    INTEGERS.iter().for_each(|name| drop(set(name, integer.to_string())));
    REALS.iter().for_each(|name| drop(set(name, real.to_string())));
    ["combine", "index"].iter().for_each(|name| drop(set(name, text.to_owned())));
    FLAGS.iter().for_each(|name| drop(set(name, (integer % 2 != 0).to_string())));
    set("dtype", dtype.to_owned());
    out
}

fn still_works(ctx: &Context) {
    let x = ctx.tensor(&[1.0f32, 2.0], &[2]).unwrap();
    assert_eq!((&x + &x).to_vec::<f32>().unwrap(), [2.0, 4.0]);
}

#[test]
fn every_op_refuses_what_does_not_fit_and_says_its_name() {
    let ctx = context();
    let make = |dtype, shape: &[i64]| ctx.zeros(shape, dtype).unwrap();
    let pool = [
        make(DType::F32, &[2, 3]),
        make(DType::Bool, &[2]),
        make(DType::I64, &[]),
        make(DType::F64, &[0, 4]),
        make(DType::U8, &[1, 2, 3, 4]),
        make(DType::Bf16, &[1, 1, 1, 1, 1, 1, 1, 2]),
    ];
    let (mut refused, mut taken) = (0, 0);
    for name in NAMES {
        for value in [0, -1, 1, 2, 7, 1 << 40, i64::MAX, i64::MIN] {
            let lists = [
                "[]".to_owned(),
                format!("[{}]", value),
                format!("[{0},{0}]", value),
                format!("[{0},{0},{0},{0},{0},{0},{0},{0},{0}]", value),
            ];
            for (k, list) in lists.iter().enumerate() {
                let real = [0.5, f64::NAN, f64::INFINITY, -1.0][k];
                for count in 0..4 {
                    let text = ["i0", "add", "", "set", "i99*/2", "max", "((", "none"][(k + 3 * count) % 8];
                    let given = wild(list, value, real, text, ["f32", "bool", "i64", "u8"][k]);
                    let operands: Vec<_> = (0..count).map(|i| &pool[(i * 5 + k + count) % pool.len()]).collect();
                    match call(&ctx, name, &operands, &given) {
                        Ok(made) => {
                            taken += 1;
                            // Its values may be refused too, in words; those of many elements are not asked for.
                            made.iter().filter(|y| y.count() < 10_000).for_each(|y| drop(y.to_bytes()));
                        }
                        Err(error) if error.message().starts_with("operand ") => {} // said by the test's own helper
                        Err(error) => {
                            refused += 1;
                            assert!(error.message().contains(name), "{}: {}", name, error);
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 1000 && taken > 1000, "{} refused, {} taken", refused, taken);
    still_works(&ctx);
}

#[test]
fn every_layer_refuses_fields_out_of_range() {
    let ctx = context();
    for kind in nn::KINDS.iter().filter(|kind| **kind != "Module" && **kind != "Sequential") {
        for (value, word) in [("0", "none"), ("1", "tanh"), ("-1", "relu"), ("3", "sum"), ("4611686018427387904", "no such word")] {
            let mut given = Given::default();
            FIELD_FLAGS.iter().for_each(|name| drop(given.0.insert(name.to_string(), value.to_owned())));
            FIELD_WORDS.iter().for_each(|name| drop(given.0.insert(name.to_string(), word.to_owned())));
            for name in [
                "in_features",
                "out_features",
                "in1_features",
                "in2_features",
                "in_channels",
                "out_channels",
                "kernel_size",
                "stride",
                "groups",
            ]
            .iter()
            .chain(&[
                "dim",
                "num_embeddings",
                "embedding_dim",
                "num_features",
                "num_groups",
                "num_channels",
                "normalized_shape",
                "output_size",
            ])
            .chain(&[
                "upscale_factor",
                "downscale_factor",
                "input_size",
                "hidden_size",
                "threshold",
                "value",
                "unflattened_size",
                "padding",
            ])
            .chain(&["scale_factor", "p"])
            {
                given.0.insert(name.to_string(), value.to_owned());
            }
            if let Err(error) = build(&ctx, kind, &given) {
                assert!(error.message().contains(kind), "{}: {}", kind, error);
            }
        }
        let layer = match build(&ctx, kind, &support_fields()) {
            Ok(layer) => layer,
            Err(_) => continue,
        };
        for wrong in [vec![], vec![None], vec![None; 9]] {
            assert!(layer.forward_all(&wrong).is_err(), "{}", kind);
        }
        let flag = ctx.zeros(&[1, 1, 1, 1, 1, 1, 1, 1], DType::Bool).unwrap();
        let _ = layer.forward_all(&[Some(&flag)]);
    }
    assert_eq!(nn::Module::of_kind(&ctx, "NoSuchLayer").unwrap_err().kind(), ErrorKind::NotFound);
    still_works(&ctx);
}

fn support_fields() -> Given {
    let mut given = Given::default();
    for name in
        ["in_features", "out_features", "in_channels", "out_channels", "kernel_size", "num_features", "normalized_shape", "output_size"]
    {
        given.0.insert(name.to_owned(), "2".to_owned());
    }
    for name in [
        "in1_features",
        "in2_features",
        "num_embeddings",
        "embedding_dim",
        "num_groups",
        "num_channels",
        "upscale_factor",
        "downscale_factor",
        "input_size",
    ] {
        given.0.insert(name.to_owned(), "2".to_owned());
    }
    for name in ["hidden_size", "threshold", "value", "dim", "unflattened_size", "padding", "scale_factor"] {
        given.0.insert(name.to_owned(), "1".to_owned());
    }
    given
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[test]
fn an_index_out_of_range_is_an_error_that_names_op_index_and_extent() {
    let ctx = context();
    let x = ctx.tensor(&[1.0f32, 2.0, 3.0], &[3]).unwrap();
    for index in [3i64, -4, i64::MAX] {
        let picked = x.try_take(&ctx.tensor(&[0, index], &[2]).unwrap(), 0).unwrap();
        let error = picked.to_vec::<f32>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Index);
        let facts = ["take", &index.to_string(), "extent of 3"];
        assert!(facts.iter().all(|fact| error.message().contains(fact)), "{}", error);
    }
    still_works(&ctx);
}

#[test]
fn everything_else_refuses_in_words() {
    let ctx = context();
    let x = ctx.tensor(&[1.0f32, 2.0, 3.0], &[3]).unwrap();
    let y = ctx.tensor(&[1.0f32, 2.0], &[2]).unwrap();
    assert_eq!(kind(ctx.tensor(&[1.0f32, 2.0], &[3])), ErrorKind::Invalid);
    for shape in [&[-1][..], &[i64::MAX, 2], &[1 << 62], &[1; 9], &[i64::MIN]] {
        assert!(ctx.zeros(shape, DType::F32).and_then(|z| z.to_bytes()).is_err(), "{:?}", shape);
        assert!(ctx.tensor(&[0.0f32], shape).is_err(), "{:?}", shape);
    }
    assert_eq!(kind(x.to_vec::<i32>()), ErrorKind::Dtype);
    assert_eq!(kind(x.map::<f64>()), ErrorKind::Dtype);
    assert_eq!(kind(x.item()), ErrorKind::Shape);
    assert_eq!(kind(x.assign(&y)), ErrorKind::Shape);
    assert!(x.write(&[1.0f32]).is_err());
    assert_eq!(kind(x.grad(&[&y])), ErrorKind::Invalid);
    assert_eq!(kind(x.sum(&[], false).grad(&[&y])), ErrorKind::Invalid);
    assert_eq!(kind(ctx.tensor(&[1i32], &[1]).unwrap().set_requires_grad(true)), ErrorKind::Dtype);
    assert_eq!(kind(x.try_at(3)), ErrorKind::Shape);
    assert_eq!(kind(x.try_at(i64::MIN)), ErrorKind::Shape);
    assert_eq!(kind(x.try_at((0, 0))), ErrorKind::Invalid);
    assert_eq!(kind(x.try_at(jt::step(.., 0))), ErrorKind::Invalid);
    assert_eq!(kind(x.try_at((jt::Ellipsis, jt::Ellipsis))), ErrorKind::Invalid);
    assert_eq!(x.at(i64::MIN..i64::MAX).shape(), [3]);
    let (from, to) = (2, 1);
    assert_eq!(x.at(from..to).shape(), [0]);
    assert_eq!(x.at(jt::step(.., i64::MAX)).shape(), [1]);
    assert_eq!(x.at([index::Axis::New; 7].as_ref()).ndim(), 8);
    assert!(x.try_at([index::Axis::New; 9].as_ref()).is_err());
    assert_eq!(kind(Tensor::try_concat(&[], 0)), ErrorKind::Invalid);
    assert_eq!(kind(load_idx(&ctx, "/no/such/file")), ErrorKind::Io);
    assert_eq!(kind(io::Checkpoint::open("/no/such/file")), ErrorKind::Io);
    assert!(io::save("/no/such/folder/file", &[("x", &x)]).is_err());
    assert!(io::save("x", &[]).is_err() && io::save("x", &[("a\0b", &x)]).is_err() && io::save("x", &[("a", &x), ("a", &x)]).is_err());
    assert!(Batches::new(&[], 1).is_err() && Batches::new(&[&x], 0).is_err() && Batches::new(&[&x, &y], 1).is_err());
    assert!(optim::SGD::new().build(&[]).is_err() && optim::SGD::new().lr(-1.0).build(std::slice::from_ref(&x)).is_err());
    let mut sgd = optim::SGD::new().build(&[x.detach().unwrap()]).unwrap();
    assert!(sgd.step(&y.sum(&[], false)).is_err() && sgd.step_with(&[]).is_err() && sgd.set_lr(f64::NAN).is_err());
    assert!(ctx.tensor_of_vec(vec![1.0f32; 3], &[4]).is_err() && ctx.tensor_of_vec(Vec::<u8>::new(), &[0, 3]).is_ok());
    assert!(ctx.graph(&[&x], '?').is_err() && ctx.graph(&[&(&x + 1.0)], 'g').unwrap().contains("add"));
    let runtime = Runtime::builder().build().unwrap();
    assert!(runtime.stop_trace().is_err() && runtime.report().is_ok());
    assert_eq!(kind(ctx.init("nothing", &[2, 2], DType::F32)), ErrorKind::NotFound);
    assert!(Runtime::builder()
        .memory_limit(i64::MIN)
        .threads(i32::MIN)
        .build()
        .and_then(|rt| Context::new(&rt))
        .map_or(true, |c| c.sync().is_ok()));
    let limited = Context::new(&Runtime::builder().memory_limit(1 << 20).build().unwrap()).unwrap();
    assert_eq!(kind(limited.ones(&[1 << 22], DType::F32).and_then(|z| z.to_bytes())), ErrorKind::Nomem);
    still_works(&ctx);
}

#[test]
fn an_operator_panics_with_the_message_of_its_twin() {
    let ctx = context();
    let (x, y) = (ctx.zeros(&[3], DType::F32).unwrap(), ctx.zeros(&[2], DType::F32).unwrap());
    let message = x.try_add(&y).unwrap_err().to_string();
    assert!(message.starts_with("add: ") && message.contains("[3]") && message.contains("[2]"), "{}", message);
    let panic = catch_unwind(AssertUnwindSafe(|| &x + &y)).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(&message));
    still_works(&ctx);
}

#[test]
fn closures_that_fail_or_panic_become_errors_of_the_reader() {
    let ctx = context();
    let x = ctx.tensor(&[1.0f32, 2.0], &[2]).unwrap().requiring_grad().unwrap();
    let read = |op: Custom| op.call(&[&x], &[x.ty()]).and_then(|y| y[0].to_vec::<f32>());
    let error = read(Custom::new("tripping", |_, _| panic!("over a stone"))).unwrap_err();
    assert!(error.message().contains("over a stone") && error.kind() == ErrorKind::User, "{}", error);
    let error = read(Custom::new("declining", |_, _| Err(Error::new("not today")))).unwrap_err();
    assert!(error.message().contains("not today"), "{}", error);
    let error = read(Custom::new("mistaken", |inputs, _| inputs[0].as_slice::<i64>().map(drop))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dtype);
    let grad = |op: Custom| op.call(&[&x], &[x.ty()]).unwrap()[0].sum(&[], false).grad(&[&x]).map(|_| ());
    assert!(grad(Custom::new("blunt", |_, _| Ok(()))).is_err());
    let error = grad(Custom::new("loud", |_, _| Ok(())).gradient(|_| panic!("backwards"))).unwrap_err();
    assert!(error.message().contains("backwards"), "{}", error);
    assert!(grad(Custom::new("short", |_, _| Ok(())).gradient(|_| Ok(vec![]))).is_err());
    assert!(
        grad(Custom::new("wide", |_, _| Ok(())).gradient(|g| Ok(vec![Some(Tensor::concat(&[&g.inputs[0], &g.inputs[0]], 0))]))).is_err()
    );
    assert!(Custom::new("alone", |_, _| Ok(())).call(&[], &[Type::new(DType::F32, &[1])]).is_err());
    assert!(Custom::new("endless", |_, _| Ok(())).call(&[&x], &[Type::new(DType::F32, &[-1])]).is_err());
    assert!(Code::new("out[0] = @in7(0);").call(&[&x], &[x.ty()]).is_err());
    assert!(Code::new("this is no C").call(&[&x], &[x.ty()]).and_then(|y| y[0].to_vec::<f32>()).is_err());
    assert!(Code::new("\0").gradient(3, "").call(&[&x], &[x.ty()]).is_err());
    still_works(&ctx);
}

#[test]
fn a_closure_goes_with_its_op_whoever_reads_or_fails() {
    struct Told(Mutex<mpsc::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.lock().unwrap().send(());
            panic!("a drop that panics");
        }
    }
    let (send, receive) = mpsc::channel();
    {
        let ctx = context();
        let x = ctx.ones(&[2], DType::F32).unwrap();
        for outputs in [vec![x.ty()], vec![], vec![Type::new(DType::F32, &[-5])]] {
            let told = Told(Mutex::new(send.clone()));
            let op = Custom::new("told", move |_, _| {
                let _held = &told;
                Ok(())
            });
            // Where the call fails, the closure goes here, and panics here.
            let _ = catch_unwind(AssertUnwindSafe(|| op.call(&[&x], &outputs).map(|y| y.iter().for_each(|y| drop(y.to_bytes())))));
        }
    }
    assert_eq!(receive.iter().take(3).count(), 3);
}

#[test]
fn another_runtime_and_another_context_are_told_apart() {
    let (here, there) = (context(), context());
    let (x, y) = (here.ones(&[2], DType::F32).unwrap(), there.ones(&[2], DType::F32).unwrap());
    assert_eq!(kind(x.try_add(&y)), ErrorKind::WrongContext);
    let runtime = Runtime::builder().build().unwrap();
    let (a, b) = (Context::new(&runtime).unwrap(), Context::new(&runtime).unwrap());
    let pending = a.ones(&[2], DType::F32).unwrap() * 2.0;
    assert_eq!(kind(b.ones(&[2], DType::F32).unwrap().try_add(&pending)), ErrorKind::WrongContext);
    assert_eq!((pending.on(&b).unwrap() + 1.0).to_vec::<f32>().unwrap(), [3.0, 3.0]);
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let runtime = Runtime::builder().without_disk_cache(true).build().unwrap();
    assert_eq!(runtime.devices().unwrap(), ["cpu"]);
    let cpu = runtime.device("cpu:0").unwrap();
    let error = runtime.device("far:1").unwrap_err();
    assert!(error.to_string().contains("no device is called 'far:1'; there are: cpu"), "{}", error);
    let ctx = Context::new(&runtime).unwrap();
    let x = ctx.on_device(cpu, || ctx.tensor(&[1.0f32, 2.0], &[2])).unwrap().unwrap();
    let y = x.to(cpu).unwrap();
    assert_eq!((x.device(), y.device()), (cpu, cpu));
    assert_eq!(y.to_vec::<f32>().unwrap(), [1.0, 2.0]);
}
