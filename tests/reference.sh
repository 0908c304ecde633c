#!/usr/bin/env bash
# Compares filters and decoders with Pillow, OpenCV and scikit-image, within the tolerances in tests/reference.
#
#   bash tests/reference.sh [NAME…]     the tests whose names contain one of the words; by default all
set -euo pipefail
cd "$(dirname "$0")/.."

# Other versions may compute other values: raise them deliberately.
packages=(numpy==2.4.6 pillow==13.0.0 opencv-python-headless==5.0.0.93 scikit-image==0.26.0 tifffile==2026.3.3
  imagecodecs==2026.3.6)
venv=$PWD/target/reference-$(printf '%s ' "${packages[@]}" | cksum | cut -d' ' -f1)
if [ ! -f "$venv/complete" ]; then
  if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "${packages[@]}"; }; then
    echo "skipped: ${packages[*]} cannot be installed" >&2
    exit 77
  fi
  touch "$venv/complete"
fi
# As the tests build it, so that it is not built twice.
cargo test --locked --quiet --no-run --test local
exec "$venv/bin/python" tests/reference target/debug/tilemill "$@"
