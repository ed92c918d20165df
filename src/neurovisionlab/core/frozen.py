"""What all records have in common: they never change, and those that identify say by what."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A record that never changes and knows no field but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, **fields: Any) -> Self:
        """Return the record with other values, checked as in a new one (`model_copy` is not).

        Raises:
            ValidationError: a value that the record could not be read again with.
        """
        return type(self).model_validate(dict(self) | fields)

    def is_default(self, name: str) -> bool:
        """Return whether a field has the value that it has where nothing is said of it."""
        return bool(getattr(self, name) == type(self).model_fields[name].default)


class Identified(Frozen):
    """A record whose fields are part of the id under which results are kept.

    Attributes:
        FREE: fields that change no result: never part of an id.
        YOUNGER: fields that are younger than the first results: left out at their defaults, so
            that results of before keep their ids.
    """

    FREE: ClassVar[frozenset[str]] = frozenset()
    YOUNGER: ClassVar[frozenset[str]] = frozenset()

    def identity(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that identify, as JSON has them.

        Args:
            without: more fields that change nothing where this is asked.
        """
        unsaid = {name for name in self.YOUNGER if self.is_default(name)}
        return self.model_dump(mode="json", exclude={*self.FREE, *unsaid, *without})
