#!/usr/bin/env bash
# What must hold of the contracts: artifacts in step with sources, forge's unit, fuzz and invariant tests over them, and
# no finding of slither that slither.json does not explain. Called by `make contracts-test`; arguments go to forge.
# Ends with 77, as a skipped test does, where a tool is missing and cannot be installed.
set -euo pipefail
cd "$(dirname "$0")"
venv=../.venv/slither
uv=../.venv/bin/uv
findings=$(mktemp -d)
trap 'rm -rf "$findings"' EXIT

missing() { echo "contracts are not tested: $1" >&2; exit 77; }

command -v node >/dev/null || missing "node is not installed"
command -v npm >/dev/null || missing "npm is not installed"
[ -d node_modules/solc ] || npm ci --silent || missing "npm ci failed in contracts/"
packaged=$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin)
[ -d "$packaged" ] && PATH="$packaged:$PATH"
command -v forge >/dev/null || missing "forge is on no PATH and its package serves Linux x64 alone"
[ -x "$venv/bin/python" ] || "$uv" venv --quiet "$venv"
"$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes tools/slither.txt || missing "slither cannot be installed"

echo "artifacts"
node build.mjs --check
echo "forge"
forge test "$@"
echo "slither"
"$venv/bin/slither" . --json "$findings/found.json" >"$findings/log" 2>&1 || true # its exit code counts findings
[ -s "$findings/found.json" ] || { cat "$findings/log"; exit 1; }
../.venv/bin/python tools/explained.py slither.json "$findings/found.json"
