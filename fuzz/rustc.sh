#!/bin/sh
# Cargo's RUSTC_WRAPPER while fuzzing: `rustc.sh RUSTC ARGUMENTS`.
#
# Has the compiler instrument the host and the targets, with the flags of cargo-fuzz, and nothing else: the fuzzer then
# looks for new paths in the host, and every other crate is the one that was compiled for the tests.
case " $* " in
    *" --crate-name tenon "* | *" --crate-name tenon_fuzz "* | *" fuzz_targets/"*) ;;
    *) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
