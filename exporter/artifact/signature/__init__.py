"""Signatures on artifacts: who deploys one can check who built it, also without the exporter.

SHA256SUMS         the digest of every other file in the folder, as sha256sum writes them
SHA256SUMS.sig     Ed25519 over the bytes of SHA256SUMS: 64 bytes, nothing around them
SHA256SUMS.keyid   which key that claims to be of: sha256 over its public half (DER), in hex; not an answer, a hint

Not OpenSSF's model-signing (1.1): it signs a bundle of its own, with NIST curves alone, that sha256sum and openssl
cannot check, and brings sigstore and some twenty packages more.
"""

SUMS, SIGNATURE, KEY_ID = "SHA256SUMS", "SHA256SUMS.sig", "SHA256SUMS.keyid"
NAMES = (SUMS, SIGNATURE, KEY_ID)
