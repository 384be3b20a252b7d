//! train_lenet: LeNet learns handwritten digits: Adam with cosine decay, a progress line, test accuracy, a checkpoint.
//!
//! usage: train_lenet [--data DIR] [--epochs 5] [--batch 64] [--steps 0] [--lr 0.002] [--seed 1] [--checkpoint FILE]
//! DIR, or JT_DATA, holds the four IDX files of MNIST, plain or .gz.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jt::data::{load_idx, Batches};
use jt::{nn, optim, Context, DType, Result, Runtime, Tensor};

fn option(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1)
}
fn number<T: std::str::FromStr>(name: &str, fallback: T) -> T {
    option(name).map_or(fallback, |text| text.parse().unwrap_or_else(|_| panic!("{} wants a number, given '{}'", name, text)))
}

fn load(ctx: &Context, dir: &Path, name: &str) -> Result<Tensor> {
    let packed = dir.join(format!("{}.gz", name));
    load_idx(ctx, if packed.exists() { packed } else { dir.join(name) })
}

/// `[n,28,28]` u8 -> `[n,1,28,28]` f32 in 0..1.
fn pictures(images: &Tensor) -> Tensor {
    (images.cast(DType::F32) * (1.0 / 255.0)).reshape(&[-1, 1, 28, 28])
}

fn lenet(ctx: &Context) -> nn::Module {
    nn::Sequential::new()
        .push("conv1", nn::Conv2d::new(1, 20, 5))
        .push("pool1", nn::MaxPool2d::new(2))
        .push("conv2", nn::Conv2d::new(20, 50, 5))
        .push("pool2", nn::MaxPool2d::new(2))
        .push("flat", nn::Flatten::new())
        .push("fc1", nn::Linear::new(50 * 4 * 4, 500))
        .push("relu", nn::ReLU::new())
        .push("fc2", nn::Linear::new(500, 10))
        .build(ctx)
}

fn accuracy(net: &nn::Module, images: &Tensor, labels: &Tensor) -> Result<f64> {
    let mut right = 0;
    for batch in Batches::new(&[images, labels], 500)?.epoch() {
        let batch = batch?;
        right += net.forward(&pictures(&batch[0])).argmax(&[1], false).equal(&batch[1]).sum(&[], false).item_i64()?;
    }
    Ok(100.0 * right as f64 / labels.count() as f64)
}

fn main() -> Result<()> {
    let dir = option("--data").or_else(|| std::env::var("JT_DATA").ok()).map(PathBuf::from);
    let dir = dir.expect("no data: --data DIR or JT_DATA names the folder of MNIST's four files (scripts/fetch_mnist fetches them)");
    let (epochs, batch, lr) = (number("--epochs", 5i64), number("--batch", 64usize), number("--lr", 2e-3));

    let ctx = Context::new(&Runtime::new()?)?;
    ctx.seed(number("--seed", 1))?;
    let (images, labels) = (load(&ctx, &dir, "train-images-idx3-ubyte")?, load(&ctx, &dir, "train-labels-idx1-ubyte")?);
    let (test_images, test_labels) = (load(&ctx, &dir, "t10k-images-idx3-ubyte")?, load(&ctx, &dir, "t10k-labels-idx1-ubyte")?);
    let net = lenet(&ctx);
    let mut adam = optim::Adam::new().lr(lr).build(&net.parameters()?)?;
    let mut batches = Batches::new(&[&images, &labels], batch)?.shuffled(number("--seed", 1)).drop_last(true);
    let per_epoch = match number("--steps", 0) {
        0 => batches.len(),
        steps => batches.len().min(steps),
    };
    for epoch in 0..epochs {
        let begin = Instant::now();
        for (i, batch) in batches.epoch().take(per_epoch).enumerate() {
            let batch = batch?;
            let loss = net.forward(&pictures(&batch[0])).cross_entropy(&batch[1], None, -100, "mean", 0.0);
            let step = epoch * per_epoch as i64 + i as i64;
            adam.set_lr(optim::cosine(lr, 0.0, step, epochs * per_epoch as i64))?;
            adam.step(&loss)?;
            if i % 20 == 0 || i + 1 == per_epoch {
                let rate = (i + 1) as f64 * batch[1].count() as f64 / begin.elapsed().as_secs_f64();
                print!("\repoch {}/{}  step {}/{}  loss {:.4}  {:.0} pictures/s ", epoch + 1, epochs, i + 1, per_epoch, loss.item()?, rate);
                std::io::stdout().flush().expect("an output");
            }
        }
        println!("\ntest accuracy {:.2} %", accuracy(&net, &test_images, &test_labels)?);
        if let Some(path) = option("--checkpoint") {
            net.save(path)?;
        }
    }
    Ok(())
}
