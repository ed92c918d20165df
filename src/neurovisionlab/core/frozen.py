"""Base classes of records: immutable, and with an identity built from selected fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, **fields: Any) -> Self:
        """Return a copy with other values, validated like a new record (`model_copy` does not).

        Raises:
            ValidationError: a value that could not be read back from a stored record.
        """
        return type(self).model_validate(dict(self) | fields)

    def is_default(self, name: str) -> bool:
        """Return whether a field has its default value."""
        return bool(getattr(self, name) == type(self).model_fields[name].default)


class Identified(Frozen):
    """A record whose fields are part of the id under which results are stored.

    Attributes:
        FREE: fields that change no result: never part of an id.
        YOUNGER: fields added after the first results: left out of the id at their defaults, so that
            older results keep their ids.
    """

    FREE: ClassVar[frozenset[str]] = frozenset()
    YOUNGER: ClassVar[frozenset[str]] = frozenset()

    def identity(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that identify the record, as JSON-compatible values.

        Args:
            without: further fields to leave out, which change nothing for the caller.
        """
        unsaid = {name for name in self.YOUNGER if self.is_default(name)}
        return self.model_dump(mode="json", exclude={*self.FREE, *unsaid, *without})
