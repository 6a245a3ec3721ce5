"""What a person should hear about a pod: the content of an event."""

from dataclasses import dataclass
from typing import Literal

from dte.runtime.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Note:
    """Reason (CamelCase, one word) and message of an event."""

    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Warning"


class NotYet(Unavailable):
    """The pod cannot be created now, because something that it names is missing; `note` says what."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.message)
        self.note = note
