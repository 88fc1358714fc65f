# Recipes for people and for CI. Without `just` on the machine: `cargo just RECIPE`.

set shell := ["bash", "-euo", "pipefail", "-c"]

wasm := "wasm32-wasip2"
plugins := "crm analytics hello"
testdata := "target/testdata"

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

# Build the small plugins that the tests use into target/testdata/.
testdata: target
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p {{ testdata }}
    packages=()
    for manifest in plugins-src/testdata/*/Cargo.toml; do
        packages+=(--package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)")
    done
    cargo build --profile plugin --target {{ wasm }} "${packages[@]}"
    rm -f {{ testdata }}/*.wasm
    for manifest in plugins-src/testdata/*/Cargo.toml; do
        package=$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)
        cp "target/{{ wasm }}/plugin/${package//-/_}.wasm" "{{ testdata }}/$package.wasm"
    done

# Run every test.
test *ARGS: plugins testdata
    cargo test --package tenon --package tenon-plugin {{ ARGS }}

# Formatting and lints, for the host and for the plugins.
check: target
    cargo fmt --all --check
    cargo clippy --package tenon --package tenon-plugin --package tenon-just --all-targets -- -D warnings
    cargo clippy --workspace --exclude tenon --exclude tenon-just --target {{ wasm }} -- -D warnings

# The dependencies' licences, sources and bans; with `advisories` also what is known against them.
deny *WHAT="bans licenses sources":
    cargo deny --all-features check {{ WHAT }}

# Compare the host with native code and with fused components; the figures are those of docs/performance.md.
bench *ARGS: plugins testdata
    cargo bench --package tenon {{ ARGS }}

# Write again what is generated and checked in: the manifest's JSON Schema and the deferred views.
generate:
    cargo run --quiet --package tenon -- schema > docs/manifest.schema.json
    cargo run --quiet --package tenon -- deferred wit/crm-contacts wit/crm-deals wit/analytics-reports plugins-src/testdata/wit/demo-probe
