//! Finds libjt.so: the folder `JT_LIB_DIR`, else what pkg-config says of `jt`, else a build of the source beside this crate.
//! Nothing is downloaded. Links to the library lie in `OUT_DIR`, where `cargo run` and `cargo test` look for it; programs that
//! start by themselves need the folder in their rpath or in `LD_LIBRARY_PATH`: `cargo:lib_dir` tells it to dependent crates.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=JT_LIB_DIR");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo:rerun-if-changed=build.rs");
    let found = given().or_else(installed).or_else(built);
    let dir = found.unwrap_or_else(|| {
        panic!(
            "libjt.so was not found: JT_LIB_DIR is not set, pkg-config knows no 'jt', and this crate does not lie in jt's \
             source. Install jt (cmake --install), or set JT_LIB_DIR to the folder of libjt.so"
        )
    });
    let out = PathBuf::from(env::var("OUT_DIR").unwrap()).join("lib");
    link_libraries(&dir, &out);
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=dylib=jt");
    println!("cargo:lib_dir={}", dir.display());
}

fn given() -> Option<PathBuf> {
    let dir = PathBuf::from(env::var_os("JT_LIB_DIR")?);
    assert!(dir.join("libjt.so").exists(), "JT_LIB_DIR is {}, where there is no libjt.so", dir.display());
    Some(fs::canonicalize(&dir).unwrap_or(dir))
}

fn installed() -> Option<PathBuf> {
    let told = Command::new("pkg-config").args(["--variable=libdir", "jt"]).output().ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    let dir = PathBuf::from(text.trim());
    (told.status.success() && dir.join("libjt.so").exists()).then_some(dir)
}

// The crate lies in <source>/bindings/rust/jt-sys; a build tree of CMake's own default name is used as it is brought up to date.
fn built() -> Option<PathBuf> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let source = here.ancestors().nth(3)?;
    if !source.join("capi/include/jt/jt.h").exists() {
        return None;
    }
    for folder in ["core", "capi", "backends", "CMakeLists.txt"] {
        println!("cargo:rerun-if-changed={}", source.join(folder).display());
    }
    let build = PathBuf::from(env::var("OUT_DIR").unwrap()).join("build");
    let options = ["-DJT_BUILD_TESTS=OFF", "-DJT_BUILD_EXAMPLES=OFF", "-DJT_BUILD_PYTHON=OFF", "-DJT_BUILD_JAVA=OFF"];
    run(Command::new("cmake").arg("-S").arg(source).arg("-B").arg(&build).args(options));
    let jobs = env::var("NUM_JOBS").unwrap_or_else(|_| "2".into());
    run(Command::new("cmake").arg("--build").arg(&build).args(["--target", "jt", "--parallel", &jobs]));
    Some(build.join("lib"))
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(matches!(&status, Ok(s) if s.success()), "{:?} failed: {:?}", command, status);
}

// libjt.so loads what lies beside it, or installed in the folder `jt` beside it, so all of that is there under its name.
fn link_libraries(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        let is_library = name.to_string_lossy().starts_with("libjt") && name.to_string_lossy().contains(".so");
        if is_library || name == "jt" {
            std::os::unix::fs::symlink(entry.path(), to.join(name)).unwrap();
        }
    }
}
