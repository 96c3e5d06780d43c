"""What the organisation declares, on each database: kept as written, sealed, and gone when it is taken away."""

from __future__ import annotations

from typing import Any

from remit.policy.declared.model import Declaration, Part
from remit.policy.declared.sql import SqlDeclarations

ODD = "// Ünïcode \\ ' \" \n"


def test_files_come_change_and_go(any_database: Any) -> None:
    def put(file: str, part: Part, text: str) -> None:
        any_database.writer.change(lambda tx: SqlDeclarations(tx.connection).put(file, Declaration(part, text)))

    def kept() -> dict[str, Declaration]:
        found: dict[str, Declaration] = any_database.reader.read(lambda connection: SqlDeclarations(connection).all())
        return found

    assert kept() == {}
    put("z.cedarschema", Part.SCHEMA, ODD)
    put("a.json", Part.ENTITIES, "[]")
    assert list(kept()) == ["a.json", "z.cedarschema"]
    assert kept()["z.cedarschema"] == Declaration(Part.SCHEMA, ODD)
    put("a.json", Part.ENTITIES, "[1]")
    assert kept()["a.json"].text == "[1]"
    any_database.writer.change(lambda tx: SqlDeclarations(tx.connection).remove("a.json"))
    assert list(kept()) == ["z.cedarschema"]
