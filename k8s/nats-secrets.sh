#!/bin/sh
# Makes the two Secrets that k8s/cnn-sweep.yaml needs for NATS: passwords, and a certificate whose authority's key is thrown away.
# The chart makes its own. Needs kubectl and openssl; once they are there it changes nothing.
#   sh k8s/nats-secrets.sh [namespace] [further arguments of kubectl]
set -eu
namespace=${1:-cnn-sweep}
[ $# -eq 0 ] || shift
name=cnn-sweep-nats
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

has() { kubectl "$@" --namespace "$namespace" get secret "$secret" >/dev/null 2>&1; }
word() { printf 'n%s' "$(openssl rand -hex 20)"; }

secret=$name-auth
if ! has "$@"; then
  for key in callout controller dashboard sys; do word >"$folder/$key"; done
  kubectl "$@" --namespace "$namespace" create secret generic "$secret" \
    --from-file="$folder/callout" --from-file="$folder/controller" --from-file="$folder/dashboard" --from-file="$folder/sys"
fi

secret=$name-tls
if ! has "$@"; then
  host=$name.$namespace
  # kubectl stays where it was called: a path to its configuration may begin there.
  (
    cd "$folder"
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=$name authority" -out ca.crt
    openssl ecparam -name prime256v1 -genkey -noout -out tls.key
    openssl req -new -key tls.key -subj "/CN=$name" -out tls.csr
    echo "subjectAltName=DNS:$name,DNS:$host,DNS:$host.svc,DNS:$host.svc.cluster.local" >names
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile names -out tls.crt 2>/dev/null
  )
  kubectl "$@" --namespace "$namespace" create secret generic "$secret" --type=kubernetes.io/tls \
    --from-file="$folder/tls.crt" --from-file="$folder/tls.key" --from-file="$folder/ca.crt"
fi
