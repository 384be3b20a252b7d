//! Every struct lies in memory as a C compiler lays it out: sizes and offsets, asked of one. Without a C compiler it says so.
use std::process::Command;
use std::{env, fs};

#[rustfmt::skip]
mod structs;

#[test]
fn structs_lie_as_in_c() {
    let root = env::var("JT_SOURCE_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../..").to_owned());
    let dir = env::temp_dir().join(format!("jt_layout_{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("layout.c"), structs::C).unwrap();
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(&cc)
        .arg("-I")
        .arg(format!("{}/capi/include", root))
        .arg(dir.join("layout.c"))
        .arg("-o")
        .arg(dir.join("layout"))
        .status();
    match compiled {
        Err(error) => return eprintln!("no C compiler '{}': {}", cc, error),
        Ok(status) => assert!(status.success(), "{} failed", cc),
    }
    let said = Command::new(dir.join("layout")).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    fs::remove_dir_all(dir).unwrap();
    let mine = structs::layout();
    assert_eq!(said.lines().collect::<Vec<_>>(), mine);
    assert!(mine.len() > 60);
}
