"""Package crypto implements sealing, contexts, password hashes, tokens and MACs. It uses no database and no HTTP.

from vault.crypto import context, seal, open_blob

blob = seal(key, context.revision(instance_id, environment_id, revision_id, number), plaintext, padded=True)
"""

from vault.crypto import context
from vault.crypto.context import Context
from vault.crypto.digest import keyed_digest
from vault.crypto.envelope import (
    BlobType,
    Header,
    SealedBlob,
    Suite,
    as_sealed,
    key_id_of,
    parse_header,
)
from vault.crypto.key import Key, new_key
from vault.crypto.mac import RowFormat
from vault.crypto.password import (
    SALT_BYTES,
    PasswordParameters,
    check_new_password,
    dummy_hash,
    hash_password,
    is_same_password,
    needs_rehash,
    parameters_of,
    slow_digest,
    verify_password,
)
from vault.crypto.seal import derive_user_key, key_check_value, open_blob, seal
from vault.crypto.secret import Secret
from vault.crypto.token import (
    MintedToken,
    ParsedToken,
    TokenKind,
    digest,
    from_parts,
    matches,
    mint,
    parse,
    same_digest,
)

__all__ = [
    "SALT_BYTES",
    "BlobType",
    "Context",
    "Header",
    "Key",
    "MintedToken",
    "ParsedToken",
    "PasswordParameters",
    "RowFormat",
    "SealedBlob",
    "Secret",
    "Suite",
    "TokenKind",
    "as_sealed",
    "check_new_password",
    "context",
    "derive_user_key",
    "digest",
    "dummy_hash",
    "from_parts",
    "hash_password",
    "is_same_password",
    "key_check_value",
    "key_id_of",
    "keyed_digest",
    "matches",
    "mint",
    "needs_rehash",
    "new_key",
    "open_blob",
    "parameters_of",
    "parse",
    "parse_header",
    "same_digest",
    "seal",
    "slow_digest",
    "verify_password",
]
