"""Why a token is not accepted. The texts hold no token and may go to the caller."""

from dte.runtime.errors import Refused


class InvalidToken(Refused):
    """Unreadable, expired, wrongly signed, or meant for somebody else (401)."""


class UntrustedIssuer(InvalidToken):
    """Of an issuer that is not on our list; nothing was asked of it."""

    def __init__(self, issuer: str) -> None:
        super().__init__(f"Issuer is not trusted: {issuer}")
