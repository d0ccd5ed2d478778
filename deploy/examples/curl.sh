#!/bin/sh
# sh and curl: read an environment, read it again only if it has changed, write with check-and-set, hand over a wrapped
# answer. The token never stands in the command line, where `ps` would show it.
#
#     VAULT_ADDR=https://vault.example.org VAULT_TOKEN=srm_t_… sh curl.sh prod
set -eu

environment=$1

call() {
    path=$1
    shift
    printf 'header = "X-Vault-Token: %s"\n' "$VAULT_TOKEN" |
        curl --silent --show-error --config - ${VAULT_CACERT:+--cacert "$VAULT_CACERT"} "$@" "$VAULT_ADDR/v1/$path"
}

echo "The values:"
call "secret/data/$environment"
echo

etag=$(call "secret/data/$environment" --head | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')
status=$(call "secret/data/$environment" --output /dev/null --write-out '%{http_code}' --header "If-None-Match: $etag")
echo "Asked again with the ETag: $status"

status=$(call "secret/data/$environment" --output /dev/null --write-out '%{http_code}' \
    --data '{"data": {"A": "1"}, "options": {"cas": 0}}')
echo "Written as if it were new: $status"

echo "Wrapped for one reader, for a minute:"
call "secret/data/$environment" --header "X-Vault-Wrap-TTL: 60"
echo
