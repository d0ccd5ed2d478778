"""`AsyncClient`: the SDK for asyncio.

The modules here that have a namesake in `vault/client` are the source of it: `make reference` writes the synchronous
one by leaving out `async` and `await` (deploy/synchronous.py). So both clients have the same calls and the same rules.
"""
