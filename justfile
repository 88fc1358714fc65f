# Recipes for people and for CI. Without `just` on the machine: `cargo just RECIPE`.

set shell := ["bash", "-euo", "pipefail", "-c"]

wasm := "wasm32-wasip2"
plugins := "crm analytics hello"
testdata := "target/testdata"
# The command line that writes documents; CI takes the one that its tests were run with.
tenon := env("TENON", "cargo run --quiet --package tenon --")
fuzz_targets := "manifest component json sql http dns"

# What the recipes are.
[private]
default:
    @just --list --justfile {{ justfile() }} 2>/dev/null || cargo just --list

# Build the plugins and serve them in dev mode on 127.0.0.1:4000; further arguments go to `tenon serve`.
run *ARGS: plugins
    cargo run --package tenon -- serve --dev {{ ARGS }}

# Add the WebAssembly target to the pinned toolchain.
target:
    @rustup target list --installed | grep -qx {{ wasm }} || rustup target add {{ wasm }}

# Build the plugins into plugins-dist/, named <id>-<version>.wasm.
plugins: target
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p plugins-dist
    packages=()
    for plugin in {{ plugins }}; do packages+=(--package "$plugin"); done
    cargo build --profile plugin --target {{ wasm }} "${packages[@]}"
    for plugin in {{ plugins }}; do
        version=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "plugins-src/$plugin/plugin.json" | head -n 1)
        rm -f "plugins-dist/$plugin"-*.wasm "plugins-dist/$plugin"-*.plugin.json
        cp "target/{{ wasm }}/plugin/$plugin.wasm" "plugins-dist/$plugin-$version.wasm"
        # A standard component knows nothing of Tenon: its manifest lies beside it.
        if ! grep -q 'tenon:manifest' "plugins-dist/$plugin-$version.wasm"; then
            cp "plugins-src/$plugin/plugin.json" "plugins-dist/$plugin-$version.plugin.json"
        fi
    done

# Build the small plugins that the tests use, and the guides' examples, into target/testdata/.
testdata: target
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p {{ testdata }}
    packages=()
    for manifest in plugins-src/testdata/*/Cargo.toml plugins-src/testdata/hostile/*/Cargo.toml plugins-src/examples/*/Cargo.toml; do
        packages+=(--package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)")
    done
    cargo build --profile plugin --target {{ wasm }} "${packages[@]}"
    rm -f {{ testdata }}/*.wasm
    for manifest in plugins-src/testdata/*/Cargo.toml plugins-src/testdata/hostile/*/Cargo.toml plugins-src/examples/*/Cargo.toml; do
        package=$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)
        cp "target/{{ wasm }}/plugin/${package//-/_}.wasm" "{{ testdata }}/$package.wasm"
    done

# Run every test. Some make functions of the host panic (host/src/fault.rs), which only this feature allows.
test *ARGS: plugins testdata
    cargo test --package tenon --package tenon-plugin --features tenon/fault-injection {{ ARGS }}

# The long forms of the tests that repeat something, an hour or two; an argument chooses some by name.
soak *ARGS: plugins testdata
    TENON_SOAK=long cargo test --package tenon --features tenon/fault-injection {{ ARGS }}

# Formatting and lints, for the host and for the plugins.
check: target
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo clippy --package tenon --package tenon-plugin --package tenon-just --all-targets --features tenon/fault-injection,tenon/fuzzing -- -D warnings
    cargo clippy --profile plugin --workspace --exclude tenon --exclude tenon-just --target {{ wasm }} -- -D warnings

# The dependencies' licences, sources and bans; with `advisories` also what is known against them.
deny *WHAT="bans licenses sources":
    cargo deny --all-features check {{ WHAT }}

# Compare the host with native code and with fused components; the figures are those of docs/performance.md.
bench *ARGS: plugins testdata
    cargo bench --package tenon {{ ARGS }}

# Write again what is generated and checked in: the manifest's JSON Schema, the page of commands and the deferred views.
generate:
    {{ tenon }} help-page > docs/cli.md
    {{ tenon }} schema > docs/manifest.schema.json
    {{ tenon }} deferred wit/crm-contacts wit/crm-deals wit/analytics-reports plugins-src/testdata/wit/demo-probe plugins-src/testdata/wit/hostile-fan-back plugins-src/testdata/wit/hostile-sink plugins-src/testdata/wit/demo-vault plugins-src/testdata/wit/demo-visitor

# Fuzz one target (fuzz/README.md) for so many seconds, from a random seed unless one is given; what it finds lies in
# fuzz/artifacts.
fuzz NAME SECONDS="60" SEED="0": build-fuzz
    #!/usr/bin/env bash
    set -euo pipefail
    name={{ NAME }}
    if [ ! -f "fuzz/fuzz_targets/$name.rs" ]; then
        echo "there is no fuzz target \`$name\`; there are: {{ fuzz_targets }}" && exit 1
    fi
    # New inputs are kept outside git; the seeds in git are only read.
    mkdir -p "target/fuzz/corpus/$name" "fuzz/artifacts/$name"
    status=0
    "target/debug/$name" "target/fuzz/corpus/$name" "fuzz/corpus/$name" -dict="fuzz/dictionaries/$name.dict" \
        -artifact_prefix="fuzz/artifacts/$name/" -max_total_time={{ SECONDS }} -seed={{ SEED }} -max_len=16384 -timeout=10 \
        -rss_limit_mb=1024 -malloc_limit_mb=512 -print_final_stats=1 || status=$?
    if [ "$status" != 0 ]; then
        echo
        echo "A finding in \`$name\`. Its input is the newest file in fuzz/artifacts/$name; to run it again:"
        echo "    cargo just fuzz-input $name fuzz/artifacts/$name/$(ls -t "fuzz/artifacts/$name" | head -n 1)"
        echo "When it is mended, add the input to fuzz/corpus/$name under a name that tells what it was, and a unit test."
        exit 1
    fi

# Fuzz every target for so many seconds, as many at once as there are processors.
fuzz-all SECONDS="60" SEED="0": build-fuzz
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target/fuzz/logs
    failed=0
    printf '%s\n' {{ fuzz_targets }} | xargs -P "$(nproc)" -I NAME \
        sh -c 'cargo just fuzz NAME {{ SECONDS }} {{ SEED }} >target/fuzz/logs/NAME 2>&1 || { tail -n 60 target/fuzz/logs/NAME; exit 1; }' ||
        failed=1
    for name in {{ fuzz_targets }}; do
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/logs/$name") inputs"
    done
    exit "$failed"

# Run one input of a fuzz target again.
fuzz-input NAME FILE: build-fuzz
    target/debug/{{ NAME }} {{ FILE }}

# Build the fuzz targets; the libraries they need are mostly those that the tests were built with.
build-fuzz:
    RUSTC_WRAPPER="$PWD/fuzz/rustc.sh" cargo build --locked --manifest-path fuzz/Cargo.toml --bins --target-dir target
