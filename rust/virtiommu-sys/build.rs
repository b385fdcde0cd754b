// SPDX-License-Identifier: BSD-3-Clause
//! Finds libvirtiommu, and makes the bindings from its headers with the program bindgen.
//!
//! VIRTIOMMU_INCLUDE_DIR and VIRTIOMMU_LIB_DIR (with libvirtiommu.a) name a build that is not installed;
//! without them pkg-config is asked. VIRTIOMMU_STATIC links statically.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const OPTIONS: &[&str] = &[
    "--allowlist-function=viommu_.*",
    "--allowlist-type=viommu.*",
    "--allowlist-var=VIOMMU_.*",
    "--with-derive-default",
    "--with-derive-eq",
    "--no-prepend-enum-name",
    "--use-core",
    "--ctypes-prefix=::core::ffi",
];

fn variable(name: &str) -> Option<String> {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).ok()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output();
    let out = out.unwrap_or_else(|e| panic!("{program}: {e}; is it installed?"));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(out.stdout).unwrap().trim().to_string()
}

/// Where the headers and the libraries are.
fn find() -> (PathBuf, PathBuf) {
    match (variable("VIRTIOMMU_INCLUDE_DIR"), variable("VIRTIOMMU_LIB_DIR")) {
        (Some(include), Some(lib)) => (include.into(), lib.into()),
        _ => {
            let of = |name: &str| output("pkg-config", &[&format!("--variable={name}"), "libvirtiommu"]);
            variable("PKG_CONFIG_PATH");
            (of("includedir").into(), of("libdir").into())
        }
    }
}

/// A header that includes all public ones.
fn all_headers(include: &Path) -> String {
    let folder = include.join("libvirtiommu");
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".h"));
    names.sort();
    for name in &names {
        println!("cargo:rerun-if-changed={}", folder.join(name).display());
    }
    names.iter().map(|name| format!("#include <libvirtiommu/{name}>\n")).collect()
}

fn main() {
    let (include, lib) = find();
    let made = PathBuf::from(env::var("OUT_DIR").unwrap());
    let (wrapper, bindings) = (made.join("wrapper.h"), made.join("bindings.rs"));
    fs::write(&wrapper, all_headers(&include)).unwrap();
    let mut arguments = vec![wrapper.to_str().unwrap(), "-o", bindings.to_str().unwrap()];
    arguments.extend(OPTIONS);
    let clang = format!("-I{}", include.display());
    arguments.extend(["--", &clang]);
    output("bindgen", &arguments);
    let kind = if variable("VIRTIOMMU_STATIC").is_some() { "static=" } else { "" };
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib={kind}virtiommu");
}
