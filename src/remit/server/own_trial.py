"""Tests about the organisation's own types, without a server: the real judgement, over what a directory declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from remit.catalog.model import Server
from remit.policy import organisation
from remit.policy.declared.judge import Judge, Judgement
from remit.policy.declared.model import Declared
from remit.policy.declared.reader import Reader
from remit.policy.organisation import Organisation
from remit.policy.own_case import OwnCase
from remit.policy.ports import Engine
from remit.policy.rules import Rules
from remit.policy.schema import for_catalog
from remit.server.documents import TEXTS, Document
from remit.server.plan_policies import with_documents


def declared_in(documents: Sequence[Document], engine: Engine) -> Declared:
    """What the documents declare: schema, entities, and what AuthZEN's words mean.

    Raises:
        ConfigInvalid: A file is not understood, or an entity does not conform; names file and line.
    """
    texts = [each for each in documents if each.kind in TEXTS]
    return Reader(engine).check(with_documents(Rules({}, {}), texts).declarations)


class OwnTrial:
    """Answers such tests.

    Args:
        declared: What is declared.
        policies: The policies beside it.
        engine: Decides.
    """

    def __init__(self, declared: Declared, policies: Organisation, engine: Engine) -> None:
        self._declared = declared
        self._policies = policies
        self._judge = Judge(engine)

    def answer(self, case: OwnCase) -> Judgement:
        """What an enforcement point that asked this would be answered."""
        return self._judge.judge(case.asked, self._declared, self._policies)


def check(declared: Declared, policies: Organisation, servers: Sequence[Server], engine: Engine) -> None:
    """Validate what is about the declared types, as `apply` would: a test of what it refuses proves nothing.

    Raises:
        ConfigInvalid: A policy does not fit; names file and line.
    """
    own = tuple(each for each in policies.policies if not organisation.about_calls(each.cedar))
    catalog: Mapping[str, Any] = {**for_catalog(servers), **declared.schema}
    organisation.check(replace(policies, policies=own), catalog, engine)
