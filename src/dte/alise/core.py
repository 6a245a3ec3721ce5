"""What the daemon's routes share: providers, database, keys, tokens, and the few questions asked of them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from dte.alise import keys
from dte.alise.keys import KeyHash
from dte.alise.providers import Provider, Providers
from dte.alise.settings import AliseSettings
from dte.identity import Client, CodeFlow, Issuer, JsonClient, TokenVerifier
from dte.runtime.database import Database
from dte.runtime.errors import BadOutput, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

USE_INTERVAL_S = 60.0
"""Last uses of keys are written this often: a look-up itself writes nothing."""


class Core:
    """Everything that lives as long as the daemon. `http` has one client for each provider, by name."""

    def __init__(
        self,
        settings: AliseSettings,
        providers: Providers,
        database: Database,
        key_hash: KeyHash,
        http: Mapping[str, JsonClient],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.providers = providers
        self.database = database
        self.key_hash = key_hash
        self.clock = clock
        self.flows = {name: _flow(item, http[name], settings) for name, item in providers.by_name.items()}
        self._key_used_at: dict[int, int] = {}
        issuers = {flow.issuer.issuer: flow.issuer for flow in self.flows.values()}
        common: dict[str, Any] = {
            "client_ids": [item.settings.client_id for item in providers.by_name.values()],
            "algorithms": settings.server.token_algorithms,
            "clock": clock,
        }
        self.user_tokens = TokenVerifier(issuers.values(), audiences=settings.server.audience, **common)
        ours = settings.server.audience or tuple(filter(None, [settings.server.public_url]))
        self.service_tokens = TokenVerifier(issuers.values(), audiences=ours, **common) if ours else None

    @property
    def now(self) -> int:
        return int(self.clock())

    def key_was_used(self, key_id: int) -> None:
        self._key_used_at[key_id] = self.now

    async def write_key_uses(self) -> None:
        """Store when keys were used; what cannot be stored now is kept for the next time."""
        used, self._key_used_at = self._key_used_at, {}
        if not used:
            return
        try:
            await self.database.write(lambda connection: keys.record_use(connection, used))
        except Unavailable as error:
            self._key_used_at = {**used, **self._key_used_at}
            log.warning("key_uses_not_written", error=str(error), retry_in_s=USE_INTERVAL_S)

    async def write_key_uses_forever(self) -> None:
        while True:
            await asyncio.sleep(USE_INTERVAL_S)
            await self.write_key_uses()

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self.database.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await self.database.write(work)

    def is_service(self, site: Provider, claims: Mapping[str, Any]) -> str | None:
        """The name `NAME:CLIENT` under which the site lists the service that has this token; None if it does not."""
        clients = {claims.get("sub"), claims.get("client_id"), claims.get("azp")}
        for provider in self.providers.of_issuer(str(claims["iss"])):
            for client in clients:
                if isinstance(client, str) and f"{provider.name}:{client}" in site.settings.services:
                    return f"{provider.name}:{client}"
        return None

    async def is_administrator(self, site: Provider, claims: Mapping[str, Any], token: str) -> bool:
        """Does the owner of a verified token administer the site? Its claims are asked first, then its issuer."""
        for provider in self.providers.of_issuer(str(claims["iss"])):
            if not administers(provider, site):
                continue
            if entitled(provider, claims):
                return True
            flow = self.flows[provider.name]
            for ask in (flow.issuer.userinfo, flow.introspect):
                try:
                    said = await ask(token)
                except (Unavailable, BadOutput) as error:
                    log.warning("entitlements_not_read", provider=provider.name, error=str(error))
                    continue
                if said and said.get("sub") == claims["sub"] and entitled(provider, said):
                    return True
        return False


def administers(provider: Provider, site: Provider) -> bool:
    """May users of the provider be administrators of the site? A site's own users not of another site."""
    configured = provider.settings.admin_entitlement and provider.settings.admin_entitlement_claim
    return bool(configured) and (not provider.is_internal or provider.name == site.name)


def entitled(provider: Provider, claims: Mapping[str, Any]) -> bool:
    """Do the claims hold one of the provider's `admin_entitlement`?"""
    value = claims.get(provider.settings.admin_entitlement_claim)
    return provider.entitles(value if isinstance(value, list) else [value])


def _flow(provider: Provider, http: JsonClient, settings: AliseSettings) -> CodeFlow:
    item = provider.settings
    return CodeFlow(
        Issuer(item.op_url, http, discovery_url=item.op_config_url),
        http,
        Client(item.client_id, provider.client_secret, item.token_endpoint_auth_method),
        scopes=item.scopes,
        algorithms=settings.server.token_algorithms,
    )
