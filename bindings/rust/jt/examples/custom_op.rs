//! custom_op: the same op three times: of closures with a gradient, of C source with a gradient, and of ops of the table.
use jt::custom::{Code, Custom};
use jt::{Context, ErrorKind, Result, Runtime, Tensor};

/// x / (1 + |x|), and how its gradient is recorded.
fn of_closures(x: &Tensor) -> Result<Tensor> {
    let op = Custom::new("soft_sign", |inputs, outputs| {
        let x = inputs[0].as_slice::<f32>()?;
        for (y, x) in outputs[0].as_mut_slice::<f32>()?.iter_mut().zip(x) {
            *y = x / (1.0 + x.abs());
        }
        Ok(())
    })
    .gradient(|g| {
        let bottom = g.inputs[0].abs() + 1.0;
        Ok(vec![g.grads[0].as_ref().map(|dy| dy / (&bottom * &bottom))])
    });
    Ok(op.call(&[x], &[x.ty()])?.remove(0))
}

fn of_source(x: &Tensor) -> Result<Tensor> {
    let op = Code::new("for (int64_t i = 0; i < out_num; i++) out[i] = in0[i] / (1 + fabsf(in0[i]));")
        .gradient(0, "for (int64_t i = 0; i < out_num; i++) out[i] = dout[i] / ((1 + fabsf(in0[i])) * (1 + fabsf(in0[i])));")
        .name("soft_sign");
    Ok(op.call(&[x], &[x.ty()])?.remove(0))
}

fn show(name: &str, y: Tensor, x: &Tensor) -> Result<()> {
    let dx = y.sum(&[], false).grad(&[x])?.remove(0);
    match y.eval() {
        Err(error) if error.kind() == ErrorKind::Unsupported => println!("{}: {}", name, error),
        Err(error) => return Err(error),
        Ok(()) => println!("{}: {}, gradient {}", name, y, dx),
    }
    Ok(())
}

fn main() -> Result<()> {
    let ctx = Context::new(&Runtime::new()?)?;
    let x = ctx.tensor(&[-3.0f32, -1.0, 0.0, 0.5, 4.0], &[5])?.requiring_grad()?;
    show("of closures", of_closures(&x)?, &x)?;
    show("of C source", of_source(&x)?, &x)?;
    show("of the table", &x / (x.abs() + 1.0), &x)
}
