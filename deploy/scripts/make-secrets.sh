#!/bin/sh
# Makes the secrets that deploy/compose.yaml reads, in deploy/secrets: an inner authority, certificates, their keys.
# Usage: make-secrets.sh [HOSTNAME [DIRECTORY]]. A real proxy.pem is never touched, and nothing else while internal_ca.pem
# exists: it is made last, so without it the other files are from a run that was cut off, and are made again.
set -eu
umask 077

hostname=${1:-localhost}
directory=${2:-$(dirname "$0")/../secrets}
mkdir -p "$directory"
cd "$directory"

# Compose mounts each file with the mode and owner that it has here, and each container has a user of its own. So
# the files are readable, and the directory around them is closed: on this host nobody else comes as far as a file.
chmod 700 .

pairs="strongroom_tls postgres_tls redis_tls strongroom_client prometheus"

keep() { # NAME, with the content on standard input
    if [ -e "$1" ]; then
        cat >/dev/null
    else
        cat >"$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"
    fi
}

# Two authorities sign certificates, and their keys are then thrown away: nobody can make another. No password is made.
if [ ! -e internal_ca.pem ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM

    authority() { # NAME COMMON-NAME
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
            -addext "keyUsage=critical,keyCertSign" -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
    }

    certificate() { # FILE COMMON-NAME AUTHORITY USAGES [SUBJECT-ALTERNATIVE-NAME]
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
            -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
        printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=%s\n' "$4" >"$work/$1.ext"
        [ -z "${5:-}" ] || printf 'subjectAltName=%s\n' "$5" >>"$work/$1.ext"
        openssl x509 -req -in "$work/$1.csr" -CA "$work/$3.pem" -CAkey "$work/$3.key" -CAcreateserial -days 397 \
            -extfile "$work/$1.ext" -out "$work/$1.pem" 2>/dev/null
    }

    authority internal "Strongroom inner authority"
    authority metrics_readers "Strongroom metrics authority"
    certificate strongroom_tls strongroom internal serverAuth DNS:strongroom
    certificate postgres_tls postgres internal serverAuth DNS:postgres
    # Its health check is a client too.
    certificate redis_tls redis internal serverAuth,clientAuth DNS:redis
    # The common name is the database's role.
    certificate strongroom_client strongroom internal clientAuth
    certificate proxy proxy internal serverAuth "DNS:$hostname"
    certificate prometheus prometheus metrics_readers clientAuth

    rm -f metrics.pem metrics_ca.pem
    if openssl x509 -in proxy.pem -noout -issuer 2>/dev/null | grep -q "Strongroom inner authority"; then
        rm -f proxy.pem
    fi
    for name in $pairs; do
        rm -f "$name.key" "$name.pem"
        keep "$name.key" <"$work/$name.key"
        keep "$name.pem" <"$work/$name.pem"
    done
    cat "$work/strongroom_tls.pem" "$work/strongroom_tls.key" | keep metrics.pem
    # A stand-in until the real certificate (chain, then key, in one file) takes its place.
    cat "$work/proxy.pem" "$work/proxy.key" | keep proxy.pem
    keep metrics_ca.pem <"$work/metrics_readers.pem"
    keep internal_ca.pem <"$work/internal.pem"
fi

missing=
expect() { # FILE
    [ -e "$1" ] || missing="$missing $1"
}
for name in $pairs; do
    expect "$name.key"
    expect "$name.pem"
done
for name in metrics.pem metrics_ca.pem proxy.pem; do
    expect "$name"
done
if [ -n "$missing" ]; then
    echo "These are missing in $(pwd):$missing. The authority's key is gone, so they cannot be added, as after an upgrade." >&2
    echo "Remove everything there but a real proxy.pem, and run this again." >&2
    exit 1
fi
echo "The secrets are in $(pwd). Callers trust internal_ca.pem until proxy.pem holds a certificate that they know."
