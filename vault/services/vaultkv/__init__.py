"""Services that only the Vault-compatible face needs."""
