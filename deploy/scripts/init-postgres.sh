#!/bin/sh
# Run once by PostgreSQL's image, on an empty data directory: the vault's own role, which is no superuser.
set -eu

# The password is read by psql itself: an argument would stand in the list of processes.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat /run/secrets/postgres_password`
CREATE ROLE strongroom LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE strongroom OWNER strongroom;
REVOKE ALL ON DATABASE strongroom FROM PUBLIC;
SQL
