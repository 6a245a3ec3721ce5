"""What a provider answers at a login, and what of it is believed."""

import base64
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from dte.identity import Client, CodeFlow, InvalidToken, Issuer
from dte.identity.http import JsonAnswer
from dte.identity.issuer import parse_keys, parse_metadata
from dte.identity.login import code_challenge
from dte.runtime.errors import BadOutput, Unavailable

ISSUER = "https://op.example"
KEY, OTHER = (ECKey.generate_key("P-256", {"kid": kid, "use": "sig"}) for kid in ("good", "other"))
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth?tenant=1",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "userinfo_endpoint": f"{ISSUER}/me",
}


class Provider:
    """Answers as told. Obeys JsonClient's promises."""

    def __init__(self) -> None:
        self.keys = [KEY]
        self.tokens: dict[str, Any] = {}
        self.status = 200
        self.info: dict[str, Any] | None = None
        self.posted: list[tuple[Mapping[str, str], Mapping[str, str]]] = []
        self.is_down = False
        self.asked: list[str] = []

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> JsonAnswer:
        self.asked.append(urlsplit(url).path)
        if self.is_down:
            raise Unavailable("no answer")
        match urlsplit(url).path:
            case "/jwks":
                return JsonAnswer(200, {"keys": [key.as_dict(private=False) for key in self.keys]})
            case "/me":
                return JsonAnswer(401, None) if self.info is None else JsonAnswer(200, self.info)
            case _:
                return JsonAnswer(200, METADATA)

    async def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str]) -> JsonAnswer:
        self.posted.append((form, headers))
        return JsonAnswer(self.status, self.tokens)


def flow(provider: Provider, client: Client | None = None, clock: Any = time.monotonic) -> CodeFlow:
    http: Any = provider
    issuer = Issuer(ISSUER, http, clock=clock)
    return CodeFlow(issuer, http, client or Client("me", "secret"), scopes=["profile"])


def id_token(key: Any = KEY, alg: str = "ES256", **changes: Any) -> str:
    claims = {"iss": ISSUER, "sub": "alice", "aud": "me", "nonce": "n", "exp": time.time() + 86400, "iat": time.time()}
    whole = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid}, whole, key, [alg])


async def finish(login: CodeFlow) -> dict[str, Any]:
    return await login.finish("code", verifier="v", nonce="n", redirect_uri="https://us/cb", now=time.time())


async def test_the_way_there_has_pkce_state_and_nonce() -> None:
    started = await flow(Provider()).start("https://us/cb")
    query = parse_qs(urlsplit(started.url).query)
    assert started.url.startswith(f"{ISSUER}/auth?tenant=1&")
    assert query["code_challenge"] == [code_challenge(started.verifier)]
    assert (query["code_challenge_method"], query["scope"]) == (["S256"], ["openid profile"])
    assert (query["state"], query["nonce"]) == ([started.state], [started.nonce])
    assert len({started.state, started.nonce, started.verifier}) == 3
    assert min(len(started.state), len(started.nonce), len(started.verifier)) >= 43
    assert started.state not in repr(started)


def test_the_challenge_is_the_one_of_the_rfc() -> None:
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


async def test_a_good_login_has_the_claims_of_userinfo_over_those_of_the_id_token() -> None:
    provider = Provider()
    provider.tokens = {"id_token": id_token(name="old"), "access_token": "at"}
    provider.info = {"sub": "alice", "name": "new", "iss": "https://evil"}
    claims = await finish(flow(provider))
    assert (claims["sub"], claims["name"], claims["iss"]) == ("alice", "new", ISSUER)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(id_token(nonce="other"), "another login", id="nonce of another login"),
        pytest.param(id_token(nonce=None), "another login", id="no nonce"),
        pytest.param(id_token(aud="them"), "another client", id="another client's"),
        pytest.param(id_token(aud=["me", "them"]), "another client", id="several audiences, no azp"),
        pytest.param(id_token(iss="https://evil.example"), "another issuer", id="another issuer"),
        pytest.param(id_token(exp=1), "expired", id="expired"),
        pytest.param(id_token(iat=time.time() + 86400), "future", id="from the future"),
        pytest.param(id_token(sub="x" * 256), "subject", id="subject too long"),
        pytest.param(id_token(OTHER), "does not publish", id="key of somebody else"),
        pytest.param(id_token(OctKey.import_key("x" * 32, {"kid": "good"}), "HS256"), "HS256", id="HMAC"),
        pytest.param("not.a.token", "not a JSON Web Token", id="no token"),
    ],
)
async def test_a_proof_that_does_not_hold_is_refused(token: str, reason: str) -> None:
    provider = Provider()
    provider.tokens = {"id_token": token}
    with pytest.raises(InvalidToken, match=reason):
        await finish(flow(provider))


async def test_userinfo_about_somebody_else_is_refused() -> None:
    provider = Provider()
    provider.tokens, provider.info = {"id_token": id_token(), "access_token": "at"}, {"sub": "mallory"}
    with pytest.raises(InvalidToken, match="somebody else"):
        await finish(flow(provider))


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        pytest.param(400, {"error": "invalid_grant"}, InvalidToken, "invalid_grant", id="refused"),
        pytest.param(401, None, InvalidToken, "status 401", id="refused without words"),
        pytest.param(200, {"access_token": "x"}, BadOutput, "no id_token", id="no id_token"),
        pytest.param(
            200, {"id_token": id_token(), "access_token": "x"}, BadOutput, "refused the token", id="userinfo refuses"
        ),
    ],
)
async def test_what_the_token_endpoint_says_wrong_is_told(
    status: int, body: Any, error: type[Exception], text: str
) -> None:
    provider = Provider()
    provider.status, provider.tokens = status, body
    with pytest.raises(error, match=text):
        await finish(flow(provider))


@pytest.mark.parametrize(
    ("method", "announced", "in_header"),
    [
        pytest.param("", ["client_secret_basic", "client_secret_post"], True, id="Basic first"),
        pytest.param("", ["client_secret_post"], False, id="what is announced"),
        pytest.param("client_secret_post", ["client_secret_basic"], False, id="what is configured"),
    ],
)
def test_a_client_proves_itself_in_one_way_only(method: str, announced: list[str], in_header: bool) -> None:
    headers, form = Client("a b", "s:/&", method).proof(announced)
    assert bool(headers) is in_header
    assert ("client_secret" in form) is not in_header
    if in_header:
        assert base64.b64decode(headers["Authorization"].split()[1]) == b"a+b:s%3A%2F%26"
        assert form == {}
    assert "s:/&" not in repr(Client("a", "s:/&"))


async def test_a_new_key_is_found_by_a_second_look_and_an_old_one_serves_while_the_issuer_is_down() -> None:
    now, provider = [1000.0], Provider()
    login = flow(provider, clock=lambda: now[0])
    provider.tokens = {"id_token": id_token()}
    await finish(login)
    now[0] += 60
    provider.keys, provider.tokens = [OTHER, KEY], {"id_token": id_token(OTHER)}
    await finish(login)
    provider.is_down = True
    now[0] += 12 * 3600
    assert (await finish(login))["sub"] == "alice"
    now[0] += 25 * 3600
    with pytest.raises(Unavailable):
        await finish(login)


async def test_an_issuer_that_is_down_is_asked_again_only_after_a_while() -> None:
    now, provider = [1000.0], Provider()
    login = flow(provider, clock=lambda: now[0])
    provider.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await login.start("https://us/cb")
    assert len(provider.asked) == 1
    provider.is_down = False
    now[0] += 6
    assert (await login.start("https://us/cb")).url


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"issuer": "https://evil.example"}, id="another issuer's document"),
        pytest.param({"issuer": None}, id="no issuer"),
        pytest.param({"token_endpoint": "http://op.example/token"}, id="without TLS"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param({"userinfo_endpoint": 7}, id="no address"),
    ],
)
def test_a_discovery_document_that_cannot_be_used_is_said_to_be(change: dict[str, Any]) -> None:
    with pytest.raises(BadOutput, match="discovery document"):
        parse_metadata({**METADATA, **change}, ISSUER)


def test_what_is_optional_may_be_missing_and_a_slash_may_differ() -> None:
    few = {name: value for name, value in METADATA.items() if name != "userinfo_endpoint"}
    found = parse_metadata({**few, "issuer": ISSUER + "/"}, ISSUER)
    assert found.userinfo_endpoint is None
    assert found.jwks_uri == f"{ISSUER}/jwks"


def test_a_key_that_we_cannot_read_does_not_hide_the_others() -> None:
    good = KEY.as_dict(private=False)
    keys = parse_keys({"keys": [{"kty": "EC"}, {"kty": "new"}, 7, {**good, "use": "enc"}, good]})
    assert [key.kid for key in keys] == ["good"]
    with pytest.raises(BadOutput, match="no list of keys"):
        parse_keys({"keys": None})
