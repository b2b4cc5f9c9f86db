"""What sections a model is made of: its keys, and the models below them."""

from collections.abc import Iterator, Mapping
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from rrjobs.config.drivers import DriverModels
from rrjobs.config.nodes import Node
from rrjobs.runtime.section import Section, key_of
from rrjobs.runtime.values import Kind

DRIVERS = DriverModels()


def keys(model: type[Section]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Attribute, key and field of everything a section can hold."""
    for attribute, field in model.model_fields.items():
        yield attribute, field.alias or key_of(attribute), field


def section_of(field: FieldInfo) -> type[Section] | None:
    """The model of a field that is one section, optional or not."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def named_sections_of(field: FieldInfo) -> type[Section] | None:
    """The model of a field that is a map from names to sections."""
    if get_origin(field.annotation) is not Mapping:
        return None
    held = get_args(field.annotation)[1]
    return held if isinstance(held, type) and issubclass(held, Section) else None


def kind_of(field: FieldInfo) -> Kind | None:
    """What the field's type says it is, optional or not."""
    inner = [mark for option in get_args(field.annotation) for mark in getattr(option, "__metadata__", ())]
    return next((mark for mark in (*field.metadata, *inner) if isinstance(mark, Kind)), None)


def is_driver_config(model: type[Section] | None) -> bool:
    """Whether the model is only known by the driver beside it."""
    return model is Section


def driver_model(pipeline: Node) -> type[Section] | None:
    """The model of a pipeline's `config`, None when its driver is unknown."""
    return DRIVERS.get(pipeline.text("driver"))
