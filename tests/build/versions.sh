#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# versions.sh - wherever the version is said, it is the same; and the release script changes all of these places: in a
# copy of the tree, to a patch release and to one with another soname.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
status=0

is() { # is WHAT FOUND EXPECTED
	[ "$2" = "$3" ] || { echo "$1: $2, not $3"; status=1; }
}

define() {
	sed -n "s/.*define VIOMMU_VERSION_$1 *//p" include/libvirtiommu/base.h
}

version=$(sed -n 's/^project(libvirtiommu VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
abi=${version%.*}
[ -n "$version" ]
is base.h "$(define MAJOR).$(define MINOR).$(define PATCH)" "$version"
is README.md "$(grep -oE 'Version [0-9.]+;.*libvirtiommu\.so\.[0-9.]+' README.md | sed 's/;.*so\./ /')" "Version $version $abi"
is debian/changelog "$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)" "$version"
is debian/control "$(grep -c "^Package: libvirtiommu$abi\$" debian/control)" 1
is debian/rules "$(grep -c "runtime,libvirtiommu$abi)" debian/rules)" 1
is "the symbols file" "$(sed -n 's/^libvirtiommu.so.\([0-9.]*\) libvirtiommu\([0-9.]*\) .*/\1 \2/p' debian/*.symbols)" "$abi $abi"
is "the symbols file's node" "$(sed -n 's/^ (symver)//p' debian/*.symbols)" "LIBVIRTIOMMU_$abi $abi.0"
is libvirtiommu.map "$(grep -c "^LIBVIRTIOMMU_$abi {" lib/libvirtiommu.map)" 1
is "rust/" "$(sed -nE 's/^(virtiommu-sys = \{ )?version = "([0-9.]*)".*/\2/p' rust/*/Cargo.toml | sort -u | xargs)" "$version"
is "the node in docs/versioning.md" "$(grep -oE 'LIBVIRTIOMMU_[0-9.]+[0-9]' docs/versioning.md | sort -u | xargs)" "LIBVIRTIOMMU_$abi"
is CHANGELOG.md "$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)" "$version"
[ $status = 0 ] || exit 1
[ -z "${VERSIONS_COPY-}" ] || exit 0

git rev-parse --git-dir >/dev/null 2>&1 || { echo "skipped: the release script needs git"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
git ls-files -z --cached --others --exclude-standard -- ':!examples/tapes' ':!tests/fuzz' ':!tests/oracle' |
	perl -0ne 'print if -e s/\0$//r' | tar -c --null -T - | tar -x -C "$tmp"
cd "$tmp"
git init -q . && git add -A && git -c user.name=test -c user.email=test@localhost commit -q -m copy
export VERSIONS_COPY=1
for next in "$abi.$((${version##*.} + 1))" "${abi%.*}.$((${abi##*.} + 1)).0"; do
	scripts/release "$next" --prepare || { echo "release $next: $?"; exit 1; }
	grep -q "^## $next - " CHANGELOG.md || { echo "release $next: CHANGELOG.md has no date"; exit 1; }
	[ "$(sed -n 's/^project(libvirtiommu VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" = "$next" ]
done
! scripts/release nonsense --prepare >/dev/null 2>&1 || { echo "release: takes any version"; exit 1; }
