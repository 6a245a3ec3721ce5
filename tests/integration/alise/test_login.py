"""A person logs in, links and unlinks at real providers; what an attacker tries does not work."""

import asyncio
import json
import re

import pytest

from dte.alise.encoding import sha1_hex
from tests.integration.alise.world import DEMO_SECRET, FAC_SECRET, Browser, World


async def look_up(browser: Browser, key: str, subject: str) -> tuple[int, dict[str, object]]:
    path = f"/api/v1/target/fac/mapping/issuer/{sha1_hex(browser.world.demo)}/user/{subject}"
    page = await browser.get(path, x_api_key=key)
    return page.status, json.loads(page.text)


async def test_a_user_links_and_unlinks_and_services_hear_of_it(world: World, key: str) -> None:
    async with world.browser() as browser:
        page = await browser.log_in("alice")
        assert (page.status, page.url) == (200, f"{world.url}/fac")
        assert "alice1" in page.text
        assert (await look_up(browser, key, "ext-alice"))[0] == 401
        page = await browser.link("ext-alice")
        assert (page.status, page.url) == (200, f"{world.url}/fac")
        status, body = await look_up(browser, key, "ext-alice")
        assert status == 200
        assert body["internal"]["username"] == "alice1"  # type: ignore[index]
        assert body["external"][0]["display_name"] == "Name of ext-alice"  # type: ignore[index]
        form = {"csrf": page.field("csrf"), "identity": page.field("identity")}
        page = await browser.post("/fac/unlink/demo", form)
        assert (page.status, page.url) == (200, f"{world.url}/fac")
        assert await look_up(browser, key, "ext-alice") == (
            401,
            {"detail": [{"msg": "no such user", "type": "not-mapped"}]},
        )


async def test_the_first_owner_keeps_an_identity_and_the_second_is_told(world: World, key: str) -> None:
    async with world.browser() as first, world.browser() as second:
        await first.log_in("owner")
        await first.link("wanted")
        await second.log_in("taker")
        page = await second.link("wanted")
        assert page.status == 409
        assert "linked to another account" in page.text
        assert (await look_up(first, key, "wanted"))[1]["internal"]["sub"] == "owner"  # type: ignore[index]


async def test_two_browsers_that_race_for_one_identity_end_with_one_owner(world: World) -> None:
    async with world.browser() as first, world.browser() as second:
        await first.log_in("racer1")
        await second.log_in("racer2")
        urls = await asyncio.gather(first.begin_link("prize"), second.begin_link("prize"))
        pages = await asyncio.gather(first.get(urls[0]), second.get(urls[1]))
        assert sorted(page.status for page in pages) == [200, 409]
        assert world.sql("SELECT count(*) FROM identity WHERE subject = 'prize'") == [(1,)]


async def test_two_identities_of_one_provider_are_linked_and_unlinked_apart(world: World, key: str) -> None:
    async with world.browser() as browser, world.browser() as other:
        await browser.log_in("twice")
        await browser.link("first-of-two")
        # Another browser has no session at the provider and so may be somebody else there.
        await other.log_in("twice")
        page = await other.link("second-of-two")
        assert page.text.count("Unlink identity</button>") == 2
        page = await other.post("/fac/unlink/demo", {"csrf": page.field("csrf")})
        assert page.url == f"{world.url}/fac/unlink/demo"  # which of them?
        await other.post("/fac/unlink/demo", {"csrf": page.field("csrf"), "identity": page.field("identity")})
        assert (await look_up(browser, key, "first-of-two"))[0] == 401
        assert (await look_up(browser, key, "second-of-two"))[0] == 200


async def test_a_link_needs_a_facility_login_and_leaves_no_orphan(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.get("/oauth2/demo/authorize")
        assert page.status == 403
        page = await browser.post("/fac/link/demo", {"csrf": "x"})
        assert page.status == 401
        assert "Log in again" in page.text
        page = await browser.get("/fac/link/demo")
        assert page.url.startswith(world.fac)


async def test_links_do_not_change_by_a_get_or_a_form_of_somebody_else(world: World, key: str) -> None:
    async with world.browser() as browser:
        await browser.log_in("careful")
        page = await browser.link("ext-careful")
        assert "Unlink an identity" in (await browser.get("/fac/unlink/demo")).text
        assert "Link an identity" in (await browser.get("/fac/link/demo")).text
        stolen = {"identity": page.field("identity")}
        assert (await browser.post("/fac/unlink/demo", stolen)).status == 403
        assert (await browser.post("/fac/unlink/demo", {**stolen, "csrf": "x" * 43})).status == 403
        good = {**stolen, "csrf": page.field("csrf")}
        assert (await browser.post("/fac/unlink/demo", good, sec_fetch_site="cross-site")).status == 403
        assert (await look_up(browser, key, "ext-careful"))[0] == 200


async def test_a_victim_who_opens_an_attackers_callback_links_nothing(world: World) -> None:
    async with world.browser() as attacker, world.browser() as victim:
        await attacker.log_in("attacker")
        trap = await attacker.begin_link("attackers-own")
        await victim.log_in("victim")
        page = await victim.get(trap)
        assert page.status == 400
        assert "state" in page.text
        assert world.sql("SELECT count(*) FROM identity WHERE subject = 'attackers-own'") == [(0,)]
        assert (await attacker.get(trap)).status == 200  # it was the attacker's own all the time
        assert (await attacker.get(trap)).status == 400  # and works once


async def test_callback_errors_have_the_contracts_words(world: World) -> None:
    async with world.browser() as browser:
        none = await browser.get("/oauth2/fac/token", accept="application/json")
        assert (none.status, none.text) == (400, """{"detail":"'code' parameter was not found in callback request"}""")
        wrong = await browser.get("/oauth2/fac/token?code=x&state=y", accept="application/json")
        assert (wrong.status, wrong.text) == (400, """{"detail":"'state' parameter does not match"}""")
        assert (await browser.get("/oauth2/nobody/authorize")).status == 404


async def test_the_providers_own_error_is_shown_and_escaped(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.get("/oauth2/fac/authorize", follow=False)
        (state,) = re.findall(r"state=([\w-]+)", page.url)
        error = f"/oauth2/fac/token?error=access_denied&error_description=%3Cscript%3E&state={state}"
        page = await browser.get(error)
        assert page.status == 400
        assert "access_denied (&lt;script&gt;)" in page.text
        assert (await browser.get(error)).status == 400
        assert "access_denied" not in (await browser.get(error)).text  # anybody's words are not shown


@pytest.mark.parametrize("column", ["nonce", "verifier"])
async def test_a_proof_that_was_made_for_another_login_is_refused(world: World, column: str) -> None:
    async with world.browser() as browser:
        page = await browser.get("/fac")
        url = await browser.to_callback(page, f"wrong-{column}")
        world.sql(f"UPDATE pending_login SET {column} = ?", "x" * 43)
        page = await browser.get(url, accept="application/json")
        assert page.status == 401
        expected = "belongs to another login" if column == "nonce" else "invalid_grant"
        assert expected in page.text
        assert world.sql("SELECT count(*) FROM account WHERE subject = ?", f"wrong-{column}") == [(0,)]


async def test_an_answer_of_another_provider_is_refused(world: World) -> None:
    async with world.browser() as browser:
        url = await browser.to_callback(await browser.get("/fac"), "mixed-up")
        page = await browser.get(re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fevil.example", url))
        assert page.status == 401
        assert "another provider" in page.text


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "../admin", "link/nobody", "link/demo%0d%0aX: y"]
)
async def test_a_login_ends_at_a_page_of_ours(world: World, wanted: str) -> None:
    async with world.browser() as browser:
        browser.session.cookie_jar.update_cookies({"redirect_uri": "https://evil.example"})
        page = await browser.get(f"/oauth2/fac/authorize?next={wanted}")
        page = await browser.get(await browser.to_callback(page, "redirected"), follow=False)
        assert (page.status, page.url) == (303, "/fac")
        assert "evil" not in str((await browser.get("/")).url)


async def test_a_guessed_cookie_is_nobody_and_the_name_of_a_session_changes_at_the_login(world: World) -> None:
    async with world.browser() as browser:
        for forged in ("fac:alice", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "x" * 43):
            page = await browser.get("/fac", follow=False, cookie=f"__Host-alise={forged}; session_id={forged}")
            assert (page.status, page.url) == (307, "/oauth2/fac/authorize")
        page = await browser.get("/fac")
        before = [cookie.value for cookie in browser.session.cookie_jar if cookie.key == "__Host-alise"]
        callback = await browser.get(await browser.to_callback(page, "fixated"), follow=False)
        cookie = callback.headers["Set-Cookie"]
        assert before[0] not in cookie
        for part in ("__Host-alise=", "HttpOnly", "Path=/", "SameSite=lax", "Secure"):
            assert part in cookie
        assert "Domain" not in cookie


async def test_an_ended_session_is_asked_to_log_in_again(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.log_in("late")
        world.sql(
            "UPDATE web_session SET expires_at = 1 WHERE account_id = (SELECT id FROM account WHERE subject = 'late')"
        )
        assert (await browser.get("/fac", follow=False)).status == 307
        page = await browser.post("/fac/link/demo", {"csrf": page.field("csrf")})
        assert page.status == 401
        assert "Your login has ended" in page.text


async def test_logout_ends_the_session_here(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.log_in("leaver")
        assert "Log out?" in (await browser.get("/oauth2/logout")).text
        assert (await browser.post("/oauth2/logout", {})).status == 400
        page = await browser.post("/oauth2/logout", {"csrf": page.field("csrf")}, follow=False)
        assert (page.status, page.url) == (303, "/")
        assert (await browser.get("/fac", follow=False)).status == 307


async def test_pages_allow_no_script_no_frame_and_nothing_from_elsewhere(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.log_in("markup")
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert "<script" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        for path in ("/", "/fac", "/privacy.html", "/fac/link/demo"):
            found = re.findall(r'(?:src|href)="([^"#]+)"', (await browser.get(path)).text)
            assert found
            assert all(address.startswith("/") for address in found)
        assert (await browser.get("/static/style.css")).status == 200
        assert (await browser.get("/static/../alise.conf")).status == 404


async def test_an_administrator_makes_and_revokes_a_key_and_reads_the_audit(world: World) -> None:
    async with world.browser() as browser, world.browser() as other:
        await other.log_in("bob")
        assert (await other.get("/fac/admin")).status == 403
        assert (await other.get("/fac/admin/keys")).status == 403
        page = await browser.log_in("root", "/fac/admin/keys")
        assert page.url == f"{world.url}/fac/admin/keys"
        page = await browser.post(
            "/fac/admin/keys", {"csrf": page.field("csrf"), "name": "teapot <prod>", "days": "30"}
        )
        (made,) = re.findall(r'id="made">([a-z]{32})<', page.text)
        assert (await look_up(browser, made, "nobody"))[1]["detail"][0]["type"] == "not-mapped"  # type: ignore[index]
        assert made not in (await browser.get("/fac/admin/keys")).text
        number = re.findall(r'name="key" value="(\d+)"', page.text)[-1]
        await browser.post("/fac/admin/keys/revoke", {"csrf": page.field("csrf"), "key": number})
        assert (await look_up(browser, made, "nobody"))[1]["detail"][0]["type"] == "invalid"  # type: ignore[index]
        assert "bob1" in (await browser.get("/fac/admin?q=BOB")).text
        assert "bob1" not in (await browser.get("/fac/admin?q=nothing-like-it")).text
        audit = (await browser.get("/fac/admin/audit?q=teapot")).text
        assert "key_create" in audit
        assert "key_revoke" in audit
        assert "teapot &lt;prod&gt;" in audit


async def test_a_service_logs_in_with_its_own_client(world: World) -> None:
    async with world.browser() as browser:
        auth = {"authorization": "Basic dGVhcG90Ong="}
        form = {"grant_type": "client_credentials", "resource": world.url}
        token = json.loads((await browser.post(f"{world.fac}/token", form, **auth)).text)["access_token"]
        path = f"/api/v1/target/fac/mapping/issuer/{sha1_hex(world.demo)}/user/nobody"
        page = await browser.get(path, authorization=f"Bearer {token}")
        assert (page.status, json.loads(page.text)["detail"][0]["type"]) == (401, "not-mapped")
        assert (await browser.get("/api/v1/authenticated", authorization=f"Bearer {token}")).status == 200


def test_the_log_holds_no_secret_of_all_this(world: World, key: str) -> None:
    text = world.log_file.read_text()
    assert '"event": "request"' in text
    for secret in (key, FAC_SECRET, DEMO_SECRET, "code=", "state=", "eyJ", "__Host-", "csrf"):
        assert secret not in text, secret
