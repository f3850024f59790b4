#!/usr/bin/env bash
# Formatting, lints and the architecture's rules. Needs Rust only.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo xtask tidy
