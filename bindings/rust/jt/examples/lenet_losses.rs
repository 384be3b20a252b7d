//! lenet_losses: the program of tests/languages/lenet_losses.c in Rust: every language prints the same bits.
use jt::{nn, optim, Context, DType, Runtime};

fn main() -> jt::Result<()> {
    let ctx = Context::new(&Runtime::new()?)?;
    ctx.seed(7)?;
    let net = nn::Sequential::new()
        .push("0", nn::Conv2d::new(1, 6, 5))
        .push("1", nn::MaxPool2d::new(2))
        .push("2", nn::Conv2d::new(6, 16, 5))
        .push("3", nn::MaxPool2d::new(2))
        .push("4", nn::Flatten::new())
        .push("5", nn::Linear::new(256, 120))
        .push("6", nn::ReLU::new())
        .push("7", nn::Linear::new(120, 10))
        .try_build(&ctx)?;
    let x = ctx.random_uniform(&[32, 1, 28, 28], 0.0, 1.0, DType::F32)?;
    let labels: Vec<i32> = (0..32).map(|i| i * 7 % 10).collect();
    let y = ctx.tensor(&labels, &[32])?;
    let mut adam = optim::Adam::new().lr(0.002).build(&net.parameters()?)?;
    for _ in 0..50 {
        let loss = net.forward(&x).cross_entropy(&y, None, -100, "mean", 0.0);
        adam.step(&loss)?;
        println!("{:016x}", loss.item()?.to_bits());
    }
    Ok(())
}
