"""The providers of a configuration and what each is allowed to say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dte.alise.encoding import issuer_digests
from dte.alise.settings import AliseSettings, ProviderSettings
from dte.identity import canonical_issuer
from dte.runtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Provider:
    """One OpenID provider. `op_url` is shown byte for byte; `issuer` is what we compare and store."""

    name: str
    op_url: str
    issuer: str
    display_name: str
    is_internal: bool
    client_secret: str = field(repr=False)
    settings: ProviderSettings = field(repr=False)

    def entitles(self, values: Sequence[object]) -> bool:
        """Does one of a user's entitlements make an administrator? What follows `#` names who granted it."""
        allowed = {item.partition("#")[0] for item in self.settings.admin_entitlement}
        return any(isinstance(value, str) and value.partition("#")[0] in allowed for value in values)


@dataclass(frozen=True, slots=True)
class Providers:
    """All of them by name, in the order of the file."""

    by_name: Mapping[str, Provider]
    digests: Mapping[str, str]
    """Of external issuers: SHA-1 -> canonical issuer."""
    all_digests: Mapping[str, str]

    def site(self, name: str) -> Provider | None:
        """The internal provider that is this site; None for any other name: sites are a fixed list."""
        provider = self.by_name.get(name)
        return provider if provider is not None and provider.is_internal else None

    def sites(self) -> list[Provider]:
        return [provider for provider in self.by_name.values() if provider.is_internal]

    def external(self) -> list[Provider]:
        return [provider for provider in self.by_name.values() if not provider.is_internal]

    def external_of(self, issuer: str) -> Provider | None:
        """The external provider of a canonical issuer."""
        return next((provider for provider in self.external() if provider.issuer == issuer), None)

    def of_issuer(self, issuer: str) -> list[Provider]:
        """Every provider, internal or external, of an issuer in any spelling."""
        wanted = canonical_issuer(issuer)
        return [provider for provider in self.by_name.values() if provider.issuer == wanted]


def providers_of(settings: AliseSettings) -> Providers:
    """Raises ConfigError with every secret file that cannot be read."""
    problems: list[str] = []
    found: dict[str, Provider] = {}
    for name, item in settings.auth.items():
        secret = item.client_secret
        if item.client_secret_file is not None:
            secret = _secret(item.client_secret_file, f"auth.{name}.client_secret_file", problems)
        found[name] = Provider(
            name, item.op_url, canonical_issuer(item.op_url), item.display_name or name, item.internal, secret, item
        )
    if problems:
        raise ConfigError(problems)
    external = [provider.op_url for provider in found.values() if not provider.is_internal]
    return Providers(found, issuer_digests(external), issuer_digests(item.op_url for item in found.values()))


def _secret(path: Path, key: str, problems: list[str]) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{key}: cannot read {path}: {getattr(error, 'strerror', None) or error}")
        return ""
