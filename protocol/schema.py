"""Reads the protocol's TOML files into classes and refuses what makes no sense."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

# The order of the files is the order of everything generated.
DOMAINS = [
    "lifecycle",
    "generation",
    "text",
    "sampling",
    "state",
    "vision",
    "audio",
    "speech",
    "diagnostics",
    "resources",
    "push",
    "downloads",
]
SCALARS = ["bool", "int32", "int64", "double", "num", "string", "any"]
# The first release of the package; what comes later says `since` itself.
FIRST_VERSION = "0.1.0"


class SchemaError(Exception):
    pass


@dataclass
class Type:
    name: str  # a scalar, "list", "map" (from strings), an enum or a value class
    item: "Type | None" = None
    nullable: bool = False

    @staticmethod
    def parse(text):
        nullable = text.endswith("?")
        core = text.rstrip("?")
        match = re.fullmatch(r"(list|map)<(.+)>", core)
        return Type(match[1], Type.parse(match[2]), nullable) if match else Type(core, None, nullable)

    def leaf(self):
        return self.item.leaf() if self.item else self.name


@dataclass
class Field:
    name: str
    type: Type
    doc: str
    positional: bool = False
    default: object = None  # None: no default
    dart_only: bool = False  # stays on the Dart side
    dart: bool = True  # False: not on the Dart side
    added: bool = False
    secret: bool = False  # not shown by toString
    since: str = FIRST_VERSION

    @property
    def required(self):
        return self.default is None and not self.type.nullable and self.type.name != "any"

    @property
    def cpp_name(self):
        return snake_case(self.name)


@dataclass
class Message:
    """A request, a response or a value class."""

    name: str
    domain: str
    doc: str
    fields: list[Field]
    replies: list[str] = field(default_factory=list)
    unsupported_until: str = ""
    added: bool = False  # not part of the contract we inherited
    since: str = FIRST_VERSION
    library: str = ""  # value classes: the Dart library
    wire_only: str = ""  # responses without a Dart class: "map" (a raw map) or "none"
    raw_map: str = ""  # responses that are sent as a raw map too: "before" or "after" the typed one
    raw_when: str = ""  # ... if this flag of the request is set
    raw_fields: list[str] = field(default_factory=list)
    req_required: bool = False
    dart_members: str = ""
    dart_equality: bool = False  # responses that are equal by their fields; value classes always are
    dart_skip: list[str] = field(default_factory=list)  # fields that the main constructor does not take

    response_type: str = ""  # requests: the class that answers it; where there is one reply, that

    @property
    def wire_fields(self):
        return [f for f in self.fields if not f.dart_only]

    @property
    def dart_fields(self):
        return [f for f in self.fields if f.dart]


@dataclass
class Enum:
    name: str
    doc: str
    values: list[list[str]]  # [Dart name] or [Dart name, argument string]
    argument: bool = False
    open: bool = False
    dart_only: bool = False
    library: str = "types"
    added: bool = False
    from_string: list = field(default_factory=list)
    from_string_else: str = ""

    @staticmethod
    def wire_name(value):
        return value[-1]


@dataclass
class Schema:
    enums: list[Enum]
    values: list[Message]
    requests: list[Message]
    responses: list[Message]

    def enum(self, name):
        return next((e for e in self.enums if e.name == name), None)

    def value(self, name):
        return next((v for v in self.values if v.name == name), None)

    def in_domain(self, messages, domain):
        return [m for m in messages if m.domain == domain]


def snake_case(name):
    """modelID -> model_id, loadedModelIDs -> loaded_model_ids, llamaCppNGpuLayers -> llama_cpp_n_gpu_layers."""
    name = re.sub(r"IDs\b", "Ids", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def load(folder):
    values_file = read(Path(folder) / "values.toml")
    shared = values_file["shared"]
    enums = [Enum(name, **options) for name, options in values_file["enums"].items()]
    values = [message(name, "values", body, shared) for name, body in values_file["values"].items()]
    requests, responses = [], []
    for domain in DOMAINS:
        body = read(Path(folder) / f"{domain}.toml")
        requests += [message(name, domain, m, shared) for name, m in body.get("requests", {}).items()]
        responses += [message(name, domain, m, shared) for name, m in body.get("responses", {}).items()]
    schema = Schema(enums, values, requests, responses)
    check(schema)
    classes = {r.name for r in responses if not r.wire_only}
    for request in requests:
        if len(request.replies) == 1 and request.replies[0] in classes:
            request.response_type = request.replies[0]
    return schema


def read(path):
    with open(path, "rb") as file:
        return tomllib.load(file)


def message(name, domain, body, shared):
    body = dict(body)
    fields = []
    for field_name, options in body.pop("fields", {}).items():
        options = {**shared.get(field_name, {}), **options}
        fields.append(Field(field_name, Type.parse(options.pop("type")), **options))
    return Message(name, domain, fields=fields, **body)


def check(schema):
    names = set()
    for m in [*schema.enums, *schema.values, *schema.requests, *schema.responses]:
        if m.name in names:
            raise SchemaError(f"{m.name} is defined twice")
        names.add(m.name)
        if not m.doc.endswith((".", "`.")):
            raise SchemaError(f"{m.name}: its doc is not a sentence")
    types = {*SCALARS, *(e.name for e in schema.enums), *(v.name for v in schema.values)}
    responses = {r.name for r in schema.responses}
    for m in [*schema.values, *schema.requests, *schema.responses]:
        for f in m.fields:
            if f.type.leaf() not in types:
                raise SchemaError(f"{m.name}.{f.name}: no type {f.type.leaf()}")
            if f.type.leaf() == "any" and not f.dart_only:
                raise SchemaError(f"{m.name}.{f.name}: only Dart has untyped fields")
            if f.type.name == "map" and (m not in schema.requests or f.type.item.name not in SCALARS):
                raise SchemaError(f"{m.name}.{f.name}: only requests have maps, and only of scalars")
            if f.positional and not f.required:
                raise SchemaError(f"{m.name}.{f.name}: a positional field is required")
        for reply in m.replies:
            if reply not in responses:
                raise SchemaError(f"{m.name}: no response {reply}")
