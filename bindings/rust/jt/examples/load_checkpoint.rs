//! load_checkpoint: takes over a network that a program in another language has trained, and says what is in it.
//!
//! usage: load_checkpoint FILE [IMAGES LABELS]
//! FILE is what `train_digits --checkpoint` of examples/c writes, or mnist.py; with two IDX files it also tells the accuracy.
use jt::data::load_idx;
use jt::{io, nn, Context, DType, Result, Runtime};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().expect("usage: load_checkpoint FILE [IMAGES LABELS]");
    let ctx = Context::new(&Runtime::new()?)?;

    let checkpoint = io::Checkpoint::open(path)?;
    for name in checkpoint.names() {
        println!("{} {:?}", name, checkpoint.load(&ctx, name)?);
    }

    let net = nn::Sequential::new()
        .push("conv1", nn::Conv2d::new(1, 20, 5))
        .push("pool1", nn::MaxPool2d::new(2))
        .push("conv2", nn::Conv2d::new(20, 50, 5))
        .push("pool2", nn::MaxPool2d::new(2))
        .push("flat", nn::Flatten::new())
        .push("fc1", nn::Linear::new(50 * 4 * 4, 500))
        .push("relu", nn::ReLU::new())
        .push("fc2", nn::Linear::new(500, 10))
        .build(&ctx);
    net.load(path)?;
    if let [_, images, labels] = &arguments[..] {
        let (images, labels) = (load_idx(&ctx, images)?, load_idx(&ctx, labels)?);
        let x = (images.cast(DType::F32) * (1.0 / 255.0)).reshape(&[-1, 1, 28, 28]);
        let right = net.forward(&x).argmax(&[1], false).equal(&labels).sum(&[], false).item_i64()?;
        println!("accuracy {:.2} %", 100.0 * right as f64 / labels.count() as f64);
    }
    Ok(())
}
