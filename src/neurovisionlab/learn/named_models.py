"""Which of the four kinds of models a name stands for.

    NAME                        of the table: `TableModel`
    timm:NAME                   any model of timm, with or without a tag: `TimmModel`
    torchvision:NAME            any classifier of torchvision.models: `TorchvisionModel`
    package.module:function     a function of the user's own: `OwnModel`

Nothing else looks at what kind a model is: whatever differs between them is a method.
"""

from __future__ import annotations

import re

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.model_names import is_own
from neurovisionlab.learn.model_source import ModelSource
from neurovisionlab.learn.own_model import OwnModel
from neurovisionlab.learn.table_model import TableModel
from neurovisionlab.learn.timm_model import TimmModel
from neurovisionlab.learn.torchvision_model import TorchvisionModel

_OWN_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def source_of(name: str) -> ModelSource:
    """Return the model of a name, which need not exist.

    >>> [type(source_of(name)).__name__ for name in ("resnet18", "timm:test_vit", "my_models:tiny")]
    ['TableModel', 'TimmModel', 'OwnModel']

    Raises:
        ModelError: a colon in a name that is of none of the four forms.
    """
    if is_own(name):
        if not _OWN_NAME.fullmatch(name):
            forms = "timm:NAME, torchvision:NAME or package.module:function"
            raise ModelError(mould("model", forms, repr(name), "my_models:tiny_net"))
        return OwnModel(name)
    for kind in (TimmModel, TorchvisionModel):
        if name.startswith(kind.prefix):
            return kind(name)
    return TableModel(name)
