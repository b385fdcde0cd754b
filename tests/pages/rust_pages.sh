#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# rust_pages.sh LIBRARY - compiles the Rust blocks of each page that has a NAME_standin.rs here, in their order, against what is declared
# there, and runs them with the guest in NAME_guest.rs. LIBRARY is libvirtiommu.so.
set -euo pipefail
library=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export PATH=/usr/bin:$PATH
for tool in /usr/bin/cargo /usr/bin/rustc bindgen; do
	command -v $tool >/dev/null || { echo "pages: skipped, there is no $tool (scripts/deps)"; exit 77; }
done
[ -d /usr/share/cargo/registry ] || { echo "pages: skipped, there are no packages of crates (librust-*-dev)"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir -p "$tmp/src/bin"
cat >"$tmp/Cargo.toml" <<T
[package]
name = "pages"
version = "0.0.0"
edition = "2021"
[dependencies]
virtiommu = { path = "$top/rust/virtiommu" }
libc = "0.2"
[profile.dev]
debug = "line-tables-only"
T

# Its own crates are all in one module here.
pages=0
for standin in "$here"/*_standin.rs; do
	name=$(basename "$standin" _standin.rs)
	page=$top/docs/${name//_/-}.md
	{
		echo "#![allow(dead_code, unused_imports)]"
		echo "#[path = \"$top/rust/virtiommu/tests/all/common.rs\"] mod common;"
		echo "#[path = \"$standin\"] mod theirs;"
		echo "use theirs::*;"
		awk '
			/^```/ { inside = !inside && /^```rust$/; next }
			inside && /^use / && !/^use (std|virtiommu)::/ { next }
			inside' "$page"
		grep -v '^//!' "$here/${name}_guest.rs"
	} >"$tmp/src/bin/$name.rs"
	grep -q '^impl' "$tmp/src/bin/$name.rs" || { echo "pages: there is no glue in $page"; exit 1; }
	pages=$((pages + 1))
done

VIRTIOMMU_INCLUDE_DIR=$top/include VIRTIOMMU_LIB_DIR=$(dirname "$library") LD_LIBRARY_PATH=$(dirname "$library")
export VIRTIOMMU_INCLUDE_DIR VIRTIOMMU_LIB_DIR LD_LIBRARY_PATH
cd "$top/rust"
cargo build -q --offline -j "${JOBS:-2}" --manifest-path "$tmp/Cargo.toml"
for program in "$tmp"/src/bin/*.rs; do
	timeout 60 "$top/build/rust/debug/$(basename "$program" .rs)"
done
echo "$pages pages"
