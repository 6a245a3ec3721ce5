"""A container's command line and environment, every byte as the pod has it. No I/O here."""

from collections.abc import Mapping, Sequence
from typing import Any

from dte.interlink.expansion import expand
from dte.interlink.jobs.paths import encoded
from dte.interlink.pods import Container
from dte.runtime.errors import Malformed, Refused


def environment(container: Container) -> Mapping[str, str]:
    """The container's own variables; of one named twice the last counts.

    The virtual kubelet has resolved references already. Raises Refused for one that is left, and for names and values
    that no process can have.
    """
    owner = f"container {container.get('name')}"
    if container.get("envFrom"):
        raise Refused(f"{owner}: envFrom must be resolved before the pod is sent to a site")
    variables: dict[str, str] = {}
    for item in container.get("env") or ():
        name, value = item.get("name"), item.get("value")
        if not _is_variable_name(name):
            raise Refused(f"{owner}: not a name of an environment variable: {name!r:.80}")
        if value is None and item.get("valueFrom"):
            raise Refused(f"{owner}: env {name}: valueFrom must be resolved before the pod is sent to a site")
        variables[name] = _checked(value or "", f"{owner}: env {name}")
    return variables


def arguments(container: Container, variables: Mapping[str, str]) -> Sequence[str]:
    """`command` and `args` with variables replaced, once and for all: the supervisor takes them as they are.

    Raises Refused without a command: the entry point of the image is not known where images are not used.
    """
    owner = f"container {container.get('name')}"
    if not container.get("command"):
        raise Refused(
            f"{owner} has no command: this site runs the compute node's own programs (ContainerRuntime plain) and "
            "does not know the image's entry point; set command"
        )
    words = [*_words(container, "command", owner), *_words(container, "args", owner)]
    return [_checked(expand(word, variables), f"{owner}: command and args") for word in words]


def _words(container: Container, key: str, owner: str) -> Sequence[str]:
    words = container.get(key) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Malformed(f"{owner}: {key} must be a list of strings")
    return words


def _is_variable_name(name: Any) -> bool:
    """Printable ASCII without "=", as Kubernetes allows since 1.30."""
    return isinstance(name, str) and name != "" and "=" not in name and all(" " <= char <= "~" for char in name)


def _checked(text: Any, what: str) -> str:
    if not isinstance(text, str):
        raise Malformed(f"{what} must be a string, got {text!r:.80}")
    if "\0" in text:
        raise Refused(f"{what} holds a NUL character, which no process can be given")
    encoded(text, what)
    return text
