#!/bin/sh
# Makes the secrets that deploy/compose.yaml reads, in deploy/secrets: passwords, an inner authority, certificates.
# Usage: make-secrets.sh [HOSTNAME [DIRECTORY]]. Nothing that exists is touched; run again, it adds what is missing.
set -eu
umask 077

hostname=${1:-localhost}
directory=${2:-$(dirname "$0")/../secrets}
mkdir -p "$directory"
cd "$directory"

# Compose mounts each file with the mode and owner that it has here, and each container has a user of its own. So
# the files are readable, and the directory around them is closed: on this host nobody else comes as far as a file.
chmod 700 .

password() { openssl rand -hex 32; }

keep() { # NAME, with the content on standard input
    if [ -e "$1" ]; then
        cat >/dev/null
    else
        cat >"$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"
    fi
}

password | keep postgres_admin_password
password | keep postgres_password
password | keep redis_password
printf 'postgresql://strongroom:%s@postgres:5432/strongroom' "$(cat postgres_password)" | keep database_url
printf 'redis://:%s@redis:6379/0' "$(cat redis_password)" | keep redis_url
printf 'requirepass %s\n' "$(cat redis_password)" | keep redis.conf

# The authority signs two certificates and its key is then thrown away: nobody can make a third.
if [ ! -e internal_ca.pem ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM

    certificate() { # NAME SUBJECT-ALTERNATIVE-NAME
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
            -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
        printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' "$2" >"$work/$1.ext"
        openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 397 \
            -extfile "$work/$1.ext" -out "$work/$1.pem" 2>/dev/null
    }

    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Strongroom inner authority" \
        -addext "keyUsage=critical,keyCertSign" -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
    certificate strongroom DNS:strongroom
    certificate proxy "DNS:$hostname"
    keep strongroom_tls.key <"$work/strongroom.key"
    keep strongroom_tls.pem <"$work/strongroom.pem"
    # A stand-in until the real certificate (chain, then key, in one file) takes its place.
    cat "$work/proxy.pem" "$work/proxy.key" | keep proxy.pem
    keep internal_ca.pem <"$work/ca.pem"
fi
echo "The secrets are in $(pwd). Callers trust internal_ca.pem until proxy.pem holds a certificate that they know."
