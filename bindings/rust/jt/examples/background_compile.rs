//! background_compile: a thread compiles a network's kernels while the main thread goes on; then its first answer is quick.
//!
//! Kernels belong to the runtime, which threads share; so the thread runs the network once in a context of its own.
use std::thread;
use std::time::{Duration, Instant};

use jt::{nn, Context, DType, Result, Runtime};

fn network(ctx: &Context) -> nn::Module {
    nn::Sequential::new()
        .push("conv", nn::Conv2d::new(3, 16, 3).padding(1))
        .push("norm", nn::BatchNorm2d::new(16))
        .push("act", nn::GELU::new())
        .push("pool", nn::AdaptiveAvgPool2d::new(1))
        .push("flat", nn::Flatten::new())
        .push("fc", nn::Linear::new(16, 10))
        .build(ctx)
}

fn answer(ctx: &Context) -> Result<Vec<f32>> {
    ctx.seed(1)?; // the same weights in every context
    let net = network(ctx);
    net.train(false)?;
    net.forward(&ctx.ones(&[1, 3, 32, 32], DType::F32)?).softmax(-1).to_vec()
}

fn main() -> Result<()> {
    let runtime = Runtime::builder().threads(1).build()?;
    let compiling = {
        let runtime = runtime.clone();
        thread::spawn(move || Context::new(&runtime).and_then(|ctx| answer(&ctx)))
    };
    let mut frames = 0;
    loop {
        frames += 1; // the main thread is free: a frame of a game, a window's events
        thread::sleep(Duration::from_millis(1));
        if compiling.is_finished() {
            break;
        }
    }
    let first = compiling.join().expect("a thread that does not panic")?;

    let compiled = runtime.stats()?.kernels_compiled;
    let begin = Instant::now();
    let second = answer(&Context::new(&runtime)?)?;
    println!("{} frames while {} kernels were compiled", frames, compiled);
    println!("then an answer in {:?}, {} more kernels", begin.elapsed(), runtime.stats()?.kernels_compiled - compiled);
    assert_eq!(first, second);
    Ok(())
}
