# The everyday commands. Each installs what it needs first and is safe to run again.
.PHONY: demo demo-ledger demo-jvm test test-all lint install bench bench-jvm fuzz

# Attach to a leaking Go service under load and print the report.
demo:
	@scripts/demo.sh

# The same of a leaking JVM program, through heap dumps taken from outside.
demo-jvm:
	@scripts/demo-jvm.sh

# Where the resident memory of a healthy service is, which is twice its heap.
demo-ledger:
	@scripts/demo-ledger.sh

# Lints and tests on the newest, the oldest and the pivotal runtime versions.
test:
	@scripts/test.sh

# The same on every supported runtime version and build.
test-all:
	@scripts/test.sh --all

# Damaged heap dumps for ten minutes; MINUTES=60 for longer.
fuzz:
	@scripts/fuzz.sh $(or $(MINUTES),10)

# Only what needs no toolchain besides Rust.
lint:
	@scripts/lint.sh

# Put the binary on the PATH (cargo's bin folder).
install:
	cargo install --locked --path crates/cli

# Measure the figures of docs/benchmarks.md again.
bench:
	@bench/run.sh

# Measure those of JVM heap dumps.
bench-jvm:
	@bench/jvm.sh
