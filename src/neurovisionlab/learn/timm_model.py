"""Models of timm, any of them: what its registry says, asked when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurovisionlab.core.model_names import TIMM
from neurovisionlab.learn.model_source import ModelShape, ModelSource, matching, unknown
from neurovisionlab.learn.weights import Published, WeightsFile, python_command, with_suffixes

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TimmModel(ModelSource):
    """A name of timm's registry, with or without a tag."""

    prefix = TIMM

    def check(self) -> None:
        import timm

        if not timm.is_model(self.bare):
            raise unknown(self.name, self.prefix, timm.list_models())
        arch, _, tag = self.bare.partition(".")
        tagged = [one for one in timm.list_pretrained() if one.startswith(f"{arch}.")]
        if tag and self.bare not in tagged:
            raise unknown(self.name, self.prefix, tagged or [arch])

    @classmethod
    def names_like(cls, pattern: str) -> list[str]:
        import timm

        asked, known = cls(pattern), timm.list_models()
        if timm.is_model(asked.bare) and asked.bare not in known:  # with a tag
            asked.check()
            return [pattern]
        return matching(pattern, cls.prefix, known)

    @property
    def native_px(self) -> int:
        import timm

        cfg = timm.get_pretrained_cfg(self.bare)
        return int(cfg.input_size[-1]) if cfg is not None else 224

    @property
    def usual_shape(self) -> ModelShape:
        """As published: colour images of its own size, 1,000 classes."""
        return ModelShape(self.native_px, 3, 1000)

    def published(self) -> Published:
        import timm

        cfg = timm.get_pretrained_cfg(self.bare)
        files = with_suffixes(self.bare)
        if cfg is None or not cfg.hf_hub_id:
            return Published(files)
        full = f"{self.bare.partition('.')[0]}.{cfg.tag}" if cfg.tag else self.bare
        return Published(
            tuple(dict.fromkeys((*files, *with_suffixes(full)))),
            publisher=f"timm {full}",
            hub_id=cfg.hf_hub_id,
            licence=cfg.license,
            command=python_command(
                f"import timm; timm.create_model({self.bare!r}, pretrained=True)"
            ),
        )

    def _network(self, shape: ModelShape, weights: WeightsFile | None) -> nn.Module:
        from neurovisionlab.learn.timm_network import timm_network

        return timm_network(self, shape, weights)
