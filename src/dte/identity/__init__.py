"""Tokens in, identities out: issuers, keys, verified claims. Knows no component; stands on `dte.runtime` alone."""
