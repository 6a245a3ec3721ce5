"""Tokens in, identities out: issuers, keys, verified claims. Knows no component; stands on `dte.runtime` alone."""

from dte.identity.errors import InvalidToken, UntrustedIssuer
from dte.identity.http import JsonClient
from dte.identity.id_token import verify_id_token
from dte.identity.issuer import Issuer, Metadata, canonical_issuer
from dte.identity.login import Client, CodeFlow, Started
from dte.identity.verifier import TokenVerifier

__all__ = [
    "Client",
    "CodeFlow",
    "InvalidToken",
    "Issuer",
    "JsonClient",
    "Metadata",
    "Started",
    "TokenVerifier",
    "UntrustedIssuer",
    "canonical_issuer",
    "verify_id_token",
]
