#!/bin/sh
# Re-makes src/api/descriptors (data) and src/api/{envoy_types,enums}.ts (generated) from the Go modules that carry
# Envoy's API. Needs Go and the Go module proxy; run it at a new Envoy release, then commit what changed.
#   scripts/update_api/update_api.sh [ENVOY_MODULE_VERSION] [CONTRIB_MODULE_VERSION]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
api=${1:-v1.40.0}
# contrib is tagged less often than the API itself: this is its commit of the same summer.
contrib=${2:-v1.36.1-0.20260729145720-a2d8c7492908}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the source folder of MODULE@VERSION, downloading it when needed.
module_dir() {
  (cd "$work" && go mod download -json "$1") | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p'
}
# Prints the version of a module as the API's go.mod requires it.
required() {
  sed -n "s|^[[:space:]]*$1 \(v[^ ]*\).*|\1|p" "$envoy/go.mod" | head -1
}

envoy=$(module_dir "github.com/envoyproxy/go-control-plane/envoy@$api")
set -- "$envoy" "$(module_dir "github.com/envoyproxy/go-control-plane/contrib@$contrib")"
for module in github.com/cncf/xds/go github.com/envoyproxy/protoc-gen-validate github.com/prometheus/client_model \
  go.opentelemetry.io/proto/otlp google.golang.org/genproto/googleapis/api google.golang.org/genproto/googleapis/rpc \
  google.golang.org/protobuf cel.dev/expr; do
  set -- "$@" "$(module_dir "$module@$(required "$module")")"
done

go run "$here/descriptor_dump.go" "$work/all.binpb" "$@"
export PATH="$root/node_modules/.bin:$PATH"
node "$here/pack_descriptors.ts" "$work/all.binpb" "$root/src/api/descriptors"
node "$here/generate_types.ts" "$root/src/api"
