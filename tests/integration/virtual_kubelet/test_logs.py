"""The kubelet port, by way of the API server and past it."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from tests.integration.virtual_kubelet.conftest import World
from tests.lab import pki
from tests.lab.control_plane import KUBECTL


def test_logs_follow_until_the_container_ends(world: World) -> None:
    world.submit(world.pod("talker"))
    job = world.site.job_of("talker")
    job.run("c")
    job.log.append("one ü\n".encode())
    command = [str(KUBECTL), "--kubeconfig", str(world.kube.kubeconfig), "--namespace", world.namespace]
    with subprocess.Popen([*command, "logs", "-f", "talker"], stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().decode() == "one ü\n"
        job.log.append(b"two\n")
        assert follower.stdout.readline() == b"two\n"
        job.log_is_over = True
        assert follower.stdout.read() == b""
        assert follower.wait(20) == 0


def test_a_tail_and_a_limit_are_both_kept(world: World) -> None:
    world.submit(world.pod("history"))
    job = world.site.job_of("history")
    job.log.extend(f"line {number}\n".encode() for number in range(10))
    assert world.kubectl("logs", "history", "--tail=2") == "line 8\nline 9\n"
    assert world.kubectl("logs", "history", "--tail=2", "--limit-bytes=9") == "line 8\nli"[:9]
    assert world.kubectl("logs", "history", "--tail=0") == ""


def test_exec_is_not_served_and_says_so(world: World) -> None:
    world.submit(world.pod("closed"))
    world.site.job_of("closed").run("c")
    world.await_phase("closed", "Running")
    command = [str(KUBECTL), "--kubeconfig", str(world.kube.kubeconfig), "--namespace", world.namespace]
    done = subprocess.run([*command, "exec", "closed", "--", "id"], capture_output=True, timeout=60, check=False)
    assert done.returncode != 0


def client(world: World, authority: pki.Authority | None) -> ssl.SSLContext:
    """A caller of the kubelet port with a certificate of `authority`, or with none."""
    trusted = world.files / "site-ca.pem"
    trusted.write_bytes(world.kube.site_authority.certificate)
    context = ssl.create_default_context(cafile=str(trusted))
    if authority is not None:
        pair = authority.issue(pki.subject("caller"), usage=pki.CLIENT)
        path = world.files / "caller.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


def ask(world: World, path: str, context: ssl.SSLContext) -> bytes:
    url = f"https://{world.kube.host_address}:{world.kubelet_port}{path}"
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("path", ["/pods", "/containerLogs/x/y/z", "/healthz"])
def test_a_caller_without_the_right_certificate_gets_nothing(world: World, path: str) -> None:
    for authority in (None, world.kube.site_authority):
        with pytest.raises((urllib.error.URLError, OSError)):
            ask(world, path, client(world, authority))


def test_the_api_servers_authority_lists_the_pods(world: World) -> None:
    world.submit(world.pod("listed"))
    listed = json.loads(ask(world, "/pods", client(world, pki.kubernetes_authority(world.kube.lab.directory))))
    assert "listed" in {item["metadata"]["name"] for item in listed["items"]}
