"""Package spool stores sealed records on this host's disk until they are in the database."""
