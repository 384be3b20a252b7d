//! Threads: a context each, a context passed on, tensors passed on, and a second thread in one context.

use std::sync::mpsc;
use std::thread;

use crate::support::context;
use jt::custom::Custom;
use jt::{nn, optim, Context, DType, ErrorKind, Runtime, Tensor};

fn assert_send<T: Send>() {}
fn assert_sync<T: Sync>() {}

#[test]
fn what_may_cross_threads_does() {
    assert_send::<Tensor>();
    assert_send::<Context>();
    assert_send::<Runtime>();
    assert_sync::<Runtime>();
    assert_send::<jt::Mapped<f32>>();
    assert_send::<jt::Error>();
    assert_send::<jt::custom::Op>();
    assert_send::<nn::Module>();
    assert_send::<optim::Optimizer>();
}

fn trained(ctx: &Context, steps: usize) -> Vec<f32> {
    ctx.seed(5).unwrap();
    let net = nn::Sequential::new().push("a", nn::Linear::new(4, 8)).push("b", nn::Tanh::new()).push("c", nn::Linear::new(8, 1)).build(ctx);
    let mut adam = optim::Adam::new().lr(0.01).build(&net.parameters().unwrap()).unwrap();
    let x = ctx.random_normal(&[16, 4], 0.0, 1.0, DType::F32).unwrap();
    (0..steps)
        .map(|_| {
            let loss = net.forward(&x).square().mean(&[], false);
            adam.step(&loss).unwrap();
            loss.item().unwrap() as f32
        })
        .collect()
}

#[test]
fn eight_threads_with_a_context_each_train_alike() {
    let runtime = Runtime::builder().environment(true).threads(2).build().unwrap();
    let expected = trained(&Context::new(&runtime).unwrap(), 20);
    assert!(expected[19] < expected[0]);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let runtime = runtime.clone();
            thread::spawn(move || trained(&Context::new(&runtime).unwrap(), 20))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
}

#[test]
fn a_context_goes_from_thread_to_thread() {
    let mut ctx = context();
    let mut x = ctx.ones(&[3], DType::F32).unwrap();
    for _ in 0..8 {
        let moved = thread::spawn(move || {
            let y = &x * 2.0;
            (ctx, y)
        });
        let (ctx_back, y) = moved.join().unwrap();
        ctx = ctx_back;
        x = y;
    }
    assert_eq!(x.to_vec::<f32>().unwrap(), [256.0; 3]);
    drop(ctx);
    assert_eq!((&x + 1.0).to_vec::<f32>().unwrap(), [257.0; 3]); // a tensor keeps its context
}

#[test]
fn a_training_goes_from_thread_to_thread() {
    let steps = |pass_on: bool| {
        let ctx = context();
        ctx.seed(3).unwrap();
        let net = nn::Sequential::new().push("a", nn::Linear::new(4, 4)).push("b", nn::BatchNorm1d::new(4)).build(&ctx);
        let adam = optim::Adam::new().build(&net.parameters().unwrap()).unwrap();
        let x = ctx.random_normal(&[8, 4], 0.0, 1.0, DType::F32).unwrap();
        let mut all = (ctx, net, adam, x, vec![]);
        for _ in 0..6 {
            let step = move || {
                let (ctx, net, mut adam, x, mut losses) = all;
                let loss = net.forward(&x).square().sum(&[], false);
                adam.step(&loss).unwrap();
                losses.push(loss.item().unwrap());
                assert!(net.is_training() && net.state_names().unwrap().len() == 7);
                (ctx, net, adam, x, losses)
            };
            all = if pass_on { thread::spawn(step).join().unwrap() } else { step() };
        }
        all.4
    };
    assert_eq!(steps(true), steps(false));
}

#[test]
fn a_tensor_that_was_sent_is_used_in_the_receivers_context_and_dropped_there() {
    let runtime = Runtime::builder().build().unwrap();
    let ctx = Context::new(&runtime).unwrap();
    let (send, receive) = mpsc::channel::<Tensor>();
    let other = thread::spawn(move || {
        let mine = Context::new(&runtime).unwrap();
        receive.iter().map(|x| (x.on(&mine).unwrap() * 2.0).sum(&[], false).item().unwrap()).sum::<f64>()
    });
    for i in 0..50 {
        let x = ctx.tensor(&[f64::from(i); 4], &[4]).unwrap();
        x.eval().unwrap();
        send.send(x).unwrap();
    }
    drop(send);
    assert_eq!(other.join().unwrap(), (0..50).map(|i| f64::from(i) * 8.0).sum::<f64>());
}

#[test]
fn a_second_thread_in_one_context_is_told_that_it_is_busy() {
    let ctx = context();
    let x = ctx.ones(&[2], DType::F32).unwrap();
    let (entered, is_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let (entered, may_leave) = (std::sync::Mutex::new(entered), std::sync::Mutex::new(may_leave));
    let waiting = Custom::new("waiting", move |_, _| {
        entered.lock().unwrap().send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
        Ok(())
    });
    let y = waiting.call(&[&x], &[x.ty()]).unwrap().remove(0);
    let evaluating = thread::spawn(move || y.to_vec::<f32>().map(|_| ()));
    is_entered.recv().unwrap();
    assert_eq!(x.try_add(1.0).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(x.ndim(), 1); // dtype and shape may be asked all the same
    leave.send(()).unwrap();
    evaluating.join().unwrap().unwrap();
    assert!(x.try_add(1.0).is_ok());
}

#[test]
fn a_watch_ends_an_evaluation_and_it_goes_on_later() {
    let ctx = context();
    let x = ctx.ones(&[4], DType::F32).unwrap();
    let y = (&x + 1.0).exp();
    ctx.set_watch(|_, _| false).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap_err().kind(), ErrorKind::Cancelled);
    ctx.set_watch(|_, _| panic!("while looking on")).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap_err().kind(), ErrorKind::Cancelled);
    ctx.clear_watch().unwrap();
    assert!((y.to_vec::<f32>().unwrap()[0] - 2f32.exp()).abs() < 1e-5);
}
