#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fetch.sh FOLDER - unpacks what the guests run into FOLDER: a kernel of Debian's for x86, and busybox. Nothing is installed.
# The kernel is of the backports: Debian 12's own has no virtio-iommu driver. 35 MB, and lists of 9 MB.
set -euo pipefail
folder=$(realpath -m "$1")
[ ! -e "$folder/complete" ] || exit 0
command -v apt-get >/dev/null || { echo "fetch: there is no apt-get" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,cache/archives}/partial "$work/new"
for suite in bookworm bookworm-backports; do
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
done >"$work/sources"
apt=(-q -o "Dir::Etc::SourceList=$work/sources" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
	-o Debug::NoLocking=1 -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o Acquire::Languages=none)

cd "$work"
apt-get "${apt[@]}" update
kernel=$(apt-cache "${apt[@]}" depends linux-image-cloud-amd64/bookworm-backports | sed -n 's/^ *Depends: *//p')
apt-get "${apt[@]}" download "$kernel/bookworm-backports" busybox-static
for package in *.deb; do dpkg-deb -x "$package" new; done
touch new/complete
cd - >/dev/null
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
mv "$work/new" "$folder"
