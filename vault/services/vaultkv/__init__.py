"""Services that only the Vault face uses."""
