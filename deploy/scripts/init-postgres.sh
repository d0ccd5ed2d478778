#!/bin/sh
# Run once by PostgreSQL's image, on an empty data directory: the vault's own role, which is no superuser. It has no
# password: deploy/pg_hba.conf lets it in by its certificate.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE strongroom LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE strongroom OWNER strongroom;
REVOKE ALL ON DATABASE strongroom FROM PUBLIC;
SQL
