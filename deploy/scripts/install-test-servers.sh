#!/bin/sh
# Makes sure that the servers the tests run on are installed. Debian and Ubuntu: installs what is missing, and
# starts no service. Elsewhere: says what is missing and stops.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() {
    have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

missing=""
have redis-server || missing="$missing redis-server"
have_postgres || missing="$missing postgresql"
# Debian keeps haproxy in /usr/sbin, which is not on every user's PATH.
PATH="$PATH:/usr/sbin" have haproxy || missing="$missing haproxy"
have curl || missing="$missing curl"
# A token for the key provider that speaks PKCS#11; its library comes along.
have softhsm2-util || missing="$missing softhsm2"
# Whoever gets an encrypted export has this program, or one like it.
have age || missing="$missing age"
# Its parser of environment files reads ours back; nothing of it is started.
[ -x /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator ] || missing="$missing systemd"
# The browser that walks through the pages; playwright brings none.
have chromium || missing="$missing chromium"
# newman and other clients come from Node's registry (see the Makefile).
have node || missing="$missing nodejs"
have npm || missing="$missing npm"
[ -n "$missing" ] || exit 0

give_up() {
    echo "The tests need these programs, which are not installed:$missing" >&2
    echo "$1" >&2
    exit 1
}

have apt-get || give_up "Install them with this system's package manager, then run make test again."
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif have sudo && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    give_up "As root: apt-get install --no-install-recommends$missing"
fi

# Debian asks this file whether it may start a service that it has just installed; 101 is no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
$as_root apt-get update -q
# shellcheck disable=SC2086 # The packages are words on purpose, and so is `sudo -n`.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
