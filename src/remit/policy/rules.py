"""What an organisation rules by: its policies, and what it declared of its own types. They hold together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.policy.declared.model import Declaration

Texts = Mapping[tuple[str, str], str]  # by kind and file


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it, by file."""

    policies: Mapping[str, str]
    declarations: Mapping[str, Declaration]

    @property
    def texts(self) -> Texts:
        """Every file's text."""
        declared = {(each.part.value, file): each.text for file, each in self.declarations.items()}
        return {("policy", file): text for file, text in self.policies.items()} | declared
