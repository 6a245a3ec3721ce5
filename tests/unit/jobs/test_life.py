"""What spec.json says of probes, hooks and restarts."""

from typing import Any

import pytest

from dte.interlink.jobs import life
from dte.runtime.errors import Malformed, Refused

PORTS = [{"name": "web", "containerPort": 8080}]


def container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "ports": PORTS, **more}


def probe(**probe: Any) -> dict[str, Any]:
    return dict(life.probes(container(readinessProbe=probe), "main", {"A": "1"})["readiness"])


def test_a_probe_has_the_defaults_of_kubernetes() -> None:
    assert probe(tcpSocket={"port": 80}) == {
        "action": {"kind": "tcp", "host": "127.0.0.1", "port": 80},
        "initial_delay_s": 0,
        "period_s": 10,
        "timeout_s": 1,
        "success_threshold": 1,
        "failure_threshold": 3,
        "grace_s": None,
    }


def test_every_number_of_a_probe_is_kept() -> None:
    numbers = {"initialDelaySeconds": 2, "periodSeconds": 3, "timeoutSeconds": 4, "failureThreshold": 5}
    found = probe(exec={"command": ["x"]}, successThreshold=6, terminationGracePeriodSeconds=7, **numbers)
    assert [found[key] for key in (*life.PROBE_NUMBERS, "grace_s")] == [2, 3, 4, 6, 5, 7]


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"exec": {"command": ["a", "$(A)", "$$(A)"]}}, {"kind": "exec", "argv": ["a", "1", "$(A)"]}),
        (
            {"httpGet": {"port": "web", "path": "x y?q=ü", "host": "h", "scheme": "HTTPS"}},
            {"kind": "http", "host": "h", "port": 8080, "scheme": "HTTPS", "path": "/x%20y?q=%C3%BC", "headers": []},
        ),
        (
            {"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "b"}, {"name": "A", "value": ""}]}},
            {
                "kind": "http",
                "host": "127.0.0.1",
                "port": 1,
                "scheme": "HTTP",
                "path": "/",
                "headers": [["A", "b"], ["A", ""]],
            },
        ),
        ({"tcpSocket": {"port": "9", "host": "h"}}, {"kind": "tcp", "host": "h", "port": 9}),
        ({"grpc": {"port": 5, "service": "s"}}, {"kind": "grpc", "host": "127.0.0.1", "port": 5, "service": "s"}),
    ],
)
def test_each_kind_of_handler_becomes_an_action(handler: dict[str, Any], action: dict[str, Any]) -> None:
    assert probe(**handler)["action"] == action


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        ({}, "must have one of"),
        ({"exec": {}, "grpc": {"port": 1}}, "must have one of"),
        ({"exec": {"command": []}}, "exec.command"),
        ({"exec": {"command": ["\0"]}}, "NUL"),
        ({"httpGet": {"port": "nope"}}, "no port named 'nope'"),
        ({"httpGet": {"port": 0}}, "1 to 65535"),
        ({"httpGet": {"port": 1, "scheme": "FTP"}}, "HTTP or HTTPS"),
        ({"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "b\r\nC: d"}]}}, "one line"),
        ({"tcpSocket": {"port": 1}, "periodSeconds": -1}, "periodSeconds"),
    ],
)
def test_a_probe_that_cannot_be_asked_is_refused(handler: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        probe(**handler)


def test_only_readiness_may_need_several_successes() -> None:
    with pytest.raises(Malformed, match="successThreshold must be 1"):
        life.probes(container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}), "main", {})


def test_an_init_container_has_probes_only_as_a_sidecar() -> None:
    asked = container(startupProbe={"tcpSocket": {"port": 1}})
    assert set(life.probes({**asked, "restartPolicy": "Always"}, "init", {})) == {"startup"}
    with pytest.raises(Malformed, match="restarts always"):
        life.probes(asked, "init", {})


def test_hooks_are_taken_as_they_are() -> None:
    lifecycle = {"postStart": {"exec": {"command": ["$(A)"]}}, "preStop": {"sleep": {"seconds": 3}}}
    assert life.hooks(container(lifecycle=lifecycle)) == {
        "post_start": {"kind": "exec", "argv": ["$(A)"]},
        "pre_stop": {"kind": "sleep", "seconds": 3},
    }


def test_a_hook_that_is_a_request_takes_any_answer() -> None:
    hook = life.hooks(container(lifecycle={"preStop": {"httpGet": {"port": "web"}}}))["pre_stop"]
    assert (hook["port"], hook["any_answer"]) == (8080, True)


def test_a_hook_cannot_be_a_grpc_call() -> None:
    with pytest.raises(Malformed, match="must have one of exec, httpGet, tcpSocket, sleep"):
        life.hooks(container(lifecycle={"preStop": {"grpc": {"port": 1}}}))


@pytest.mark.parametrize(
    ("own", "kind", "pods", "policy"),
    [
        (None, "main", "Always", "Always"),
        (None, "main", "Never", "Never"),
        (None, "init", "Always", "OnFailure"),
        (None, "init", "Never", "Never"),
        ("Always", "init", "Never", "Always"),
        ("Never", "init", "Always", "Never"),
        ("OnFailure", "main", "Never", "OnFailure"),
    ],
)
def test_a_container_restarts_as_it_says_or_else_as_the_pod(own: str | None, kind: str, pods: str, policy: str) -> None:
    assert life.restart_policy(container(restartPolicy=own), kind, pods) == policy


def test_a_stop_signal_is_known_by_name() -> None:
    assert (life.stop_signal(container()), life.stop_signal(container(lifecycle={"stopSignal": "SIGUSR1"}))) == (15, 10)
    with pytest.raises(Refused, match="no signal 'SIGNOPE'"):
        life.stop_signal(container(lifecycle={"stopSignal": "SIGNOPE"}))
