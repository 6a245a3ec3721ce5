"""The federation host's checks: rights, login, node, and what a silent site means."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.virtual_kubelet import doctor
from dte.interlink.virtual_kubelet.access import RIGHTS
from dte.interlink.virtual_kubelet.logins import Login, parse_login
from dte.runtime.doctor.findings import Level
from dte.runtime.doctor.listeners import Answer
from dte.runtime.errors import BadOutput

RBAC = Path(__file__).parents[3] / "roles" / "virtual_kubelet" / "files" / "rbac.yaml"
Row = tuple[str, str, str, str]


def granted() -> set[Row]:
    """Verb, group, kind and namespace of every right in the role's manifest."""
    roles = [item for item in yaml.safe_load_all(RBAC.read_text()) if item["kind"] in ("Role", "ClusterRole")]
    return {
        (verb, group, kind, role["metadata"].get("namespace", ""))
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_rights_asked_for_are_those_that_the_role_grants() -> None:
    asked = {
        (right.verb, right.group, f"{right.resource}/{right.subresource}".rstrip("/"), right.namespace)
        for right in RIGHTS
    }
    assert asked == granted()


def test_missing_rights_are_named() -> None:
    assert doctor.judge_rights([]).level is Level.OK
    missing = [right for right in RIGHTS if right.resource == "leases"][:1]
    assert "create leases in namespace kube-node-lease" in doctor.judge_rights(missing).text


def node(**spec: Any) -> dict[str, Any]:
    return {"spec": spec, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def test_a_node_is_judged_by_its_conditions() -> None:
    assert doctor.judge_node("n", node())[0].level is Level.OK
    assert doctor.judge_node("n", None)[0].level is Level.CRITICAL
    assert "not Ready" in doctor.judge_node("n", {"status": None})[0].text
    assert doctor.judge_node("n", node(unschedulable=True))[0].level is Level.WARNING
    cut = node()
    cut["status"]["conditions"].append({"type": doctor.CONNECTIVITY, "status": "False", "message": "no route"})
    assert "no route" in doctor.judge_node("n", cut)[0].text


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer", "TLS.CACertFile"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "TLS.CertFile"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "TLS.CertFile"),
        ("Connection refused", "firewall"),
    ],
)
def test_a_silent_site_is_told_apart_by_who_does_not_trust_whom(words: str, advice: str) -> None:
    assert advice in doctor.judge_silence("https://edge", words).advice


@pytest.mark.parametrize(
    ("status", "level"), [(200, Level.OK), (401, Level.CRITICAL), (404, Level.CRITICAL), (503, Level.CRITICAL)]
)
def test_a_ping_is_judged_by_its_status(status: int, level: Level) -> None:
    assert doctor.judge_ping("https://edge", Answer(status, "why", None)).level is level


def kubeconfig(**user: object) -> str:
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"user": "u", "cluster": "k"}}],
            "users": [{"name": "other", "user": {"token": "no"}}, {"name": "u", "user": user}],
        }
    )


@pytest.mark.parametrize(
    ("user", "login"),
    [
        ({"token": "t"}, Login(token="t")),
        ({"tokenFile": "t"}, Login(token_file=Path("/etc/x/t"))),
        ({"tokenFile": "/abs/t"}, Login(token_file=Path("/abs/t"))),
        (
            {"client-certificate": "c", "client-key": "k"},
            Login(certificate=(Path("/etc/x/c"), Path("/etc/x/k"))),
        ),
        ({"exec": {}}, Login()),
    ],
)
def test_the_login_is_that_of_the_current_context(user: dict[str, object], login: Login) -> None:
    assert parse_login(kubeconfig(**user), Path("/etc/x")) == login


@given(
    st.one_of(st.text(), st.sampled_from(["{}", "contexts: 3", "current-context: x\ncontexts: []\nusers: []", "[]"]))
)
def test_what_is_no_kubeconfig_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadOutput, match="it has no current context with a user"):
        parse_login(text, Path("/"))


def test_a_token_is_in_no_repr() -> None:
    assert "secret" not in repr(Login(token="secret"))
