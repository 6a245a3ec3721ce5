"""The JSON routes answer as the contract records, byte for byte, and close the holes that upstream has."""

import json
import time
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import Connection

from dte.alise import audit, keys
from dte.alise.encoding import sha1_hex
from dte.alise.records import Person
from dte.identity.issuer import UNKNOWN_KEY_INTERVAL_S
from tests.unit.alise.conftest import KEY, LOGIN_AT, add_key, linked, record
from tests.unit.alise.site import DEMO, EGI, FAC, KEYS, Site, token, unsigned

MAPPING = (
    '{"internal":{"sub":"alice","iss":"https://op.hpc.example","username":"alice1","last_seen":1795384817,'
    '"display_name":"Alice Internal","uid":1001},'
    '"external":[{"sub":"a1b2","iss":"https://idp.example.org/realms/demo","last_seen":1795384817,'
    '"display_name":"Alice External"},'
    '{"sub":"0123abcd@egi.eu","iss":"https://aai.egi.example/auth/realms/egi/","last_seen":1795384817,'
    '"display_name":"Alice EGI"}]}'
)
MISSING = '{"detail":[{"type":"missing","loc":["query","apikey"],"msg":"Field required","input":null}]}'
INVALID = '{"detail":[{"msg":"invalid apikey","type":"invalid"}]}'
NOT_FOUND = '{"detail":"Not Found"}'
NO_HEADER = '{"error":"Unauthenticated","error_description":"No authorization header"}'
NOT_MAPPED = '{"detail":[{"msg":"no such user","type":"not-mapped"}]}'


def path(sub: str = "a1b2", iss: str = sha1_hex(DEMO), site: str = "fac") -> str:
    return f"/api/v1/target/{site}/mapping/issuer/{iss}/user/{sub}"


async def test_a_linked_identity_is_answered_with_the_account_and_all_its_identities(shared: Site) -> None:
    status, headers, body = await shared.get(f"{path()}?apikey={KEY}")
    assert (status, body) == (200, MAPPING)
    assert headers["cache-control"] == "private, max-age=60"
    assert headers["x-alise-version"]
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(quote_plus(quote_plus(DEMO)), id="percent-encoded twice"),
        pytest.param(quote(DEMO, safe=""), id="percent-encoded once"),
        pytest.param("cacf747aa0b06d924453aaf75ab14aa5430c0a2b", id="SHA-1"),
        pytest.param("11e162d2bdcdd0a281668bfc4e79685463d96882", id="SHA-1 of a line"),
        pytest.param("3eb1d87d2f00dcf8323d9a5b9ac38400454e41be", id="SHA-1 with a slash"),
        pytest.param("CACF747AA0B06D924453AAF75AB14AA5430C0A2B", id="upper case"),
        pytest.param(quote_plus(quote_plus(DEMO + "/")), id="with a slash"),
    ],
)
async def test_every_spelling_of_an_issuer_finds_the_identity(shared: Site, issuer: str) -> None:
    assert (await shared.get(f"{path(iss=issuer)}?apikey={KEY}"))[2] == MAPPING


@pytest.mark.parametrize(
    ("subject", "raw"),
    [
        pytest.param("0123abcd@egi.eu", "0123abcd%40egi.eu", id="EGI, encoded once"),
        pytest.param("a/b", "a%2Fb", id="slash, once"),
        pytest.param("a/b", "a%252Fb", id="slash, twice"),
        pytest.param("a+b", "a%2Bb", id="plus, once"),
        pytest.param("a+b", "a%252Bb", id="plus, twice"),
        pytest.param("a+b", "a+b", id="plus as it is"),
        pytest.param("a b", "a+b", id="space as plus"),
        pytest.param("urn:x:y", "urn%3Ax%3Ay", id="colons"),
        pytest.param("100%25", "100%2525", id="a percent sign in the subject"),
        pytest.param("../../x", "..%2F..%2Fx", id="dots are letters"),
    ],
)
async def test_every_spelling_of_a_subject_finds_the_identity(empty_site: Site, subject: str, raw: str) -> None:
    account = record(empty_site.database, "bob", "bob1")
    linked(empty_site.database, account, Person(DEMO, subject))
    add_key(empty_site, KEY)
    status, _, body = await empty_site.get(f"{path(raw)}?apikey={KEY}")
    assert (status, json.loads(body)["external"][0]["sub"]) == (200, subject)


async def test_a_spelling_that_means_two_accounts_is_not_answered(empty_site: Site) -> None:
    for name, subject in (("bob", "a+b"), ("eve", "a b")):
        linked(empty_site.database, record(empty_site.database, name, name), Person(DEMO, subject))
    add_key(empty_site, KEY)
    assert (await empty_site.get(f"{path('a+b')}?apikey={KEY}"))[::2] == (401, NOT_MAPPED)
    assert (await empty_site.get(f"{path('a%2Bb')}?apikey={KEY}"))[0] == 200


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        pytest.param(path(), 422, MISSING, id="no key"),
        pytest.param(f"{path()}?apikey=wrong", 401, INVALID, id="wrong key"),
        pytest.param(f"{path('nobody')}?apikey={KEY}", 401, NOT_MAPPED, id="not linked"),
        pytest.param(f"{path(iss='0' * 40)}?apikey={KEY}", 401, NOT_MAPPED, id="unknown issuer"),
        pytest.param(f"{path('alice', sha1_hex(FAC))}?apikey={KEY}", 401, NOT_MAPPED, id="internal identity"),
        pytest.param(f"{path('x' * 300)}?apikey={KEY}", 401, NOT_MAPPED, id="subject too long"),
        pytest.param(f"{path('%00%ff')}?apikey={KEY}", 401, NOT_MAPPED, id="no subject"),
        pytest.param(f"{path(site='nowhere')}?apikey={KEY}", 404, NOT_FOUND, id="no such site"),
        pytest.param(f"{path(site='demo')}?apikey={KEY}", 404, NOT_FOUND, id="external provider as site"),
        pytest.param(f"{path(site='..%2Fevil')}?apikey={KEY}", 404, NOT_FOUND, id="site as path"),
        pytest.param("/api/v1/nothing/here", 404, NOT_FOUND, id="unknown path"),
        pytest.param("/api/v1/authenticated", 401, '{"detail":"Not authenticated"}', id="authenticated, no token"),
        pytest.param("/api/v1/target/fac/get_apikey", 401, NO_HEADER, id="get_apikey, no token"),
        pytest.param("/api/v1/fac/all_my_mappings_raw", 401, '{"error":"No authorization header"}', id="my, no token"),
        pytest.param("/api/v1/fac/get_mappings/no-issuer", 404, NOT_FOUND, id="deprecated route without @"),
    ],
)  # fmt: skip
async def test_errors_have_their_exact_body(shared: Site, target: str, status: int, body: str) -> None:
    assert (await shared.get(target))[::2] == (status, body)


async def test_no_request_makes_a_file_for_a_site_that_is_not_configured(site: Site) -> None:
    directory = site.config_file.parent
    before = sorted(directory.iterdir())
    await site.get("/api/v1/target/evil/mapping/issuer/x/user/y?apikey=z")
    await site.get("/api/v1/evil/all_my_mappings_raw", authorization=f"Bearer {token()}")
    await site.get("/api/v1/target/evil/validate_apikey/x")
    assert sorted(directory.iterdir()) == before


async def test_other_methods_are_refused(shared: Site) -> None:
    assert (await shared.get(path(), method="POST"))[::2] == (405, '{"detail":"Method Not Allowed"}')


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
async def test_a_key_may_come_in_a_header_which_no_access_log_has(shared: Site, header: str) -> None:
    value = KEY if header == "x_api_key" else f"Bearer {KEY}"
    assert (await shared.get(path(), **{header: value}))[0] == 200


async def test_a_service_may_show_its_own_token_made_for_this_alise(shared: Site) -> None:
    good = token(FAC, "teapot", aud="https://alise.hpc.example")
    assert (await shared.get(path(), authorization=f"Bearer {good}"))[0] == 200
    unlisted = token(FAC, "other", aud="https://alise.hpc.example")
    assert (await shared.get(path(), authorization=f"Bearer {unlisted}"))[0] == 403
    same_name_elsewhere = token(DEMO, "teapot", aud="https://alise.hpc.example")
    assert (await shared.get(path(), authorization=f"Bearer {same_name_elsewhere}"))[0] == 403
    for_another = token(FAC, "teapot", aud="https://other.example")
    assert (await shared.get(path(), authorization=f"Bearer {for_another}"))[0] == 401


async def test_expired_and_revoked_keys_are_invalid_at_once(site: Site) -> None:
    add_key(site, "expired", expires_at=int(time.time()) - 1)
    revoked = add_key(site, "revoked")
    assert (await site.get(f"{path()}?apikey=revoked"))[0] == 200
    site.database.write_now(lambda connection: keys.revoke_key(connection, "fac", revoked, LOGIN_AT))
    assert [(await site.get(f"{path()}?apikey={key}"))[0] for key in ("expired", "revoked")] == [401, 401]


async def test_a_copy_of_the_database_holds_no_key_and_its_last_use_is_kept(site: Site) -> None:
    await site.get(f"{path()}?apikey={KEY}")
    await site.core.write_key_uses()
    (key,) = site.database.read_now(keys.list_keys)
    assert key.last_used_at is not None
    assert key.last_used_at >= LOGIN_AT - 10**9
    assert KEY.encode() not in (site.config_file.parent / "alise.sqlite3").read_bytes()


async def test_ten_thousand_wrong_keys_slow_nobody_else_down(site: Site) -> None:
    statuses = {(await site.get(f"{path()}?apikey=wrong{number}", peer="192.0.2.9"))[0] for number in range(150)}
    assert statuses == {401, 429}
    assert (await site.get(f"{path()}?apikey={KEY}", peer="192.0.2.9"))[0] == 200
    assert (await site.get(f"{path()}?apikey=wrong", peer="192.0.2.10"))[0] == 401


async def test_validation_of_keys_is_an_oracle_with_a_limit(site: Site) -> None:
    target = "/api/v1/target/fac/validate_apikey/"
    assert (await site.get(target + KEY))[2] == '{"apikey":true}'
    assert (await site.get(target + "wrong"))[2] == '{"apikey":false}'
    assert (await site.get("/api/v1/target/none/validate_apikey/x"))[0] == 404
    statuses = [(await site.get(target + "wrong"))[0] for _ in range(30)]
    assert statuses.count(429) >= 10


async def test_the_deprecated_route_splits_at_the_last_at_sign_and_finds_accounts_too(shared: Site) -> None:
    egi, fac = sha1_hex(EGI), quote_plus(quote_plus(FAC))
    assert (await shared.get(f"/api/v1/fac/get_mappings/0123abcd@egi.eu@{egi}?apikey={KEY}"))[2] == MAPPING
    assert (await shared.get(f"/api/v1/fac/get_mappings/alice@{fac}?apikey={KEY}"))[2] == MAPPING
    assert (await shared.get(f"/api/v1/fac/get_mappings/alice@{fac}"))[0] == 422


@pytest.mark.parametrize(("issuer", "sub"), [(DEMO, "a1b2"), (FAC, "alice"), (EGI, "0123abcd@egi.eu")])
async def test_my_mappings_are_those_of_the_token(shared: Site, issuer: str, sub: str) -> None:
    assert (await shared.get("/api/v1/fac/all_my_mappings_raw", authorization=f"Bearer {token(issuer, sub)}"))[
        2
    ] == MAPPING


async def test_my_mappings_say_what_is_wrong_with_a_status(shared: Site) -> None:
    bearer = f"Bearer {token(sub='stranger')}"
    assert (await shared.get("/api/v1/fac/all_my_mappings_raw", authorization=bearer))[::2] == (
        404,
        '{"error":"No IDs linked"}',
    )
    assert (await shared.get("/api/v1/demo/all_my_mappings_raw", authorization=bearer))[::2] == (
        404,
        '{"error":"Invalid site name"}',
    )


UNDETERMINED = '{"error":"Unauthenticated","error_description":"User identity could not be determined"}'


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(token(exp=time.time() - 1), id="expired"),
        pytest.param(token(exp=None), id="without end"),
        pytest.param(token(nbf=time.time() + 3600), id="not yet good"),
        pytest.param(token()[:-4] + "AAAA", id="wrong signature"),
        pytest.param(unsigned({"iss": DEMO, "sub": "a1b2", "exp": 9e9}), id="alg none"),
        pytest.param(unsigned({"iss": DEMO, "sub": "a1b2", "exp": 9e9}, "HS256"), id="alg HS256"),
        pytest.param(token(sub=""), id="no subject"),
        pytest.param(token(aud="alise-demo", nonce="n"), id="an id_token of ours"),
        pytest.param(token(**{"wlcg.ver": "2.0"}), id="unknown profile"),
        pytest.param("opaque", id="opaque"),
        pytest.param("a.b.c", id="nonsense"),
        pytest.param("x" * 20_000, id="too long"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused(shared: Site, bad: str) -> None:
    status, headers, body = await shared.get("/api/v1/authenticated", authorization=f"Bearer {bad}")
    assert (status, body, headers["www-authenticate"]) == (401, UNDETERMINED, 'Bearer error="invalid_token"')


async def test_a_stranger_issuer_is_refused_before_anything_is_asked_of_it(site: Site) -> None:
    stranger = token("https://evil.example", "a1b2")
    status, _, body = await site.get("/api/v1/authenticated", authorization=f"Bearer {stranger}")
    assert (status, body) == (
        401,
        '{"error":"Unauthenticated","error_description":"Issuer is not trusted: https://evil.example"}',
    )
    assert site.issuers.asked == []


async def test_a_good_token_is_said_to_be_good(shared: Site) -> None:
    answer = await shared.get("/api/v1/authenticated", authorization=f"Bearer {token()}")
    assert answer[::2] == (200, '"This worked: there was a valid login"')


async def test_an_issuer_that_is_down_is_said_to_be_and_others_go_on(site: Site) -> None:
    site.issuers.down.add(DEMO)
    answer = await site.get("/api/v1/authenticated", authorization=f"Bearer {token()}")
    assert answer[0] == 503
    assert "error" in json.loads(answer[2])
    assert (await site.get("/api/v1/authenticated", authorization=f"Bearer {token(FAC, 'alice')}"))[0] == 200
    assert (await site.get(f"{path()}?apikey={KEY}"))[0] == 200


async def test_a_caller_cannot_make_us_ask_for_keys_again_and_again(site: Site) -> None:
    for number in range(5):
        forged = KEYS[DEMO].kid
        bad = token().split(".")
        header = bad[0][:-6] + f"AAAA{number}A"
        assert forged
        await site.get("/api/v1/authenticated", authorization=f"Bearer {header}.{bad[1]}.{bad[2]}")
    assert UNKNOWN_KEY_INTERVAL_S >= 30
    assert len(site.issuers.asked) <= 3


ADMIN = {"eduperson_entitlement": ["urn:mace:fac:admin#other-authority", "x"]}


async def test_an_administrator_gets_a_key_that_works(site: Site) -> None:
    bearer = f"Bearer {token(FAC, 'alice', **ADMIN)}"
    status, headers, body = await site.get("/api/v1/target/fac/get_apikey?name=teapot-prod", authorization=bearer)
    key = json.loads(body)["apikey"]
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert len(key) == 32
    assert key.isalpha()
    assert key.islower()
    assert (await site.get(f"{path()}?apikey={key}"))[0] == 200
    (entry,) = site.database.read_now(lambda connection: audit.entries(connection, "fac"))
    assert (entry.action, entry.actor) == ("key_create", f"{FAC} alice")
    assert "teapot-prod" in entry.object
    assert key not in entry.object


async def test_an_entitlement_that_only_userinfo_has_counts_if_it_is_the_same_person(site: Site) -> None:
    bearer = token(FAC, "alice")
    site.issuers.userinfo[bearer] = {"sub": "alice", **ADMIN}
    assert (await site.get("/api/v1/target/fac/get_apikey", authorization=f"Bearer {bearer}"))[0] == 200
    site.issuers.userinfo[bearer] = {"sub": "mallory", **ADMIN}
    assert (await site.get("/api/v1/target/fac/get_apikey", authorization=f"Bearer {bearer}"))[0] == 401


NOT_AUTHORISED = '{"detail":"Not authorised"}'
NO_JWT = '{"detail":"The access token is not a JSON Web Token of a configured provider"}'
LONGER = token(FAC, "bob", eduperson_entitlement="urn:mace:fac:administrator")


@pytest.mark.parametrize(
    ("bearer", "status", "body"),
    [
        pytest.param(token(FAC, "bob"), 401, NOT_AUTHORISED, id="no entitlement"),
        pytest.param(LONGER, 401, NOT_AUTHORISED, id="longer value"),
        pytest.param(token(DEMO, "a1b2", **ADMIN), 401, NOT_AUTHORISED, id="provider without administrators"),
        pytest.param("opaque", 400, NO_JWT, id="opaque"),
    ],
)  # fmt: skip
async def test_who_is_no_administrator_gets_no_key(shared: Site, bearer: str, status: int, body: str) -> None:
    assert (await shared.get("/api/v1/target/fac/get_apikey", authorization=f"Bearer {bearer}"))[::2] == (status, body)


async def test_issuers_and_version_are_told_to_everybody(shared: Site) -> None:
    _, _, body = await shared.get("/api/v1/alise/supported_issuers")
    assert json.loads(body)["supported_issuers"]["internal"] == [{"name": "fac", "iss": FAC}]
    assert [item["name"] for item in json.loads(body)["supported_issuers"]["external"]] == ["demo", "egi"]
    assert (await shared.get("/api/v1/version"))[2].startswith('"')


async def test_a_database_that_does_not_work_is_503_in_the_shape_of_the_contract(site: Site) -> None:
    site.database.write_now(lambda connection: connection.exec_driver_sql("DROP TABLE identity"))
    status, headers, body = await site.get(f"{path()}?apikey={KEY}")
    assert (status, headers["retry-after"]) == (503, "5")
    assert list(json.loads(body)) == ["error"]


async def test_a_full_disk_stops_logins_and_no_look_up(site: Site) -> None:
    def full(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    site.database.write_now(full)
    answers = [await site.get("/oauth2/fac/authorize", accept="text/html") for _ in range(60)]
    assert {answer[0] for answer in answers} == {303, 503}
    assert "Not available now" in answers[-1][2]
    assert "full" in answers[-1][2]
    assert (await site.get(f"{path()}?apikey={KEY}"))[2] == MAPPING
