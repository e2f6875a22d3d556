"""Writes what the Dart tests need to handle messages of every class alike."""

from emit_dart import BANNER

HEAD = """import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/to_rwkv.dart';
import 'package:rwkv_mobile_flutter/types.dart';

import 'draw.dart';
"""
SCALARS = {"bool": "boolean", "int32": "int32", "int64": "int64", "double": "real", "num": "number", "string": "text"}


def emit(schema):
    out = BANNER + HEAD
    out += "\n/// Makes a random request of each class.\n"
    out += "final Map<String, ToRWKV Function(Draw)> requestMakers = {\n"
    out += "".join(maker(schema, m) for m in schema.requests) + "};\n"
    out += "\n/// Makes a random response of each class.\n"
    out += "final Map<String, FromRWKV Function(Draw)> responseMakers = {\n"
    responses = [m for m in schema.responses if not m.wire_only]
    out += "".join(maker(schema, m) for m in responses) + "};\n"
    values = [v for v in schema.values if v.library in ("to_rwkv", "from_rwkv")]
    for v in values:
        out += f"\n{v.name} draw{v.name}(Draw draw) => {construct(schema, v)};\n"
    out += "\n/// The fields of a message, or of a part of one, that travel; null for anything else.\n"
    out += "Map<String, Object?>? fieldsOf(Object? message) => switch (message) {\n"
    for m in [*schema.requests, *responses, *values]:
        fields = ", ".join(f"'{f.name}': message.{f.name}" for f in m.wire_fields if f.dart)
        out += f"  {m.name}() => {{{fields}}},\n"
    return {"test/message_classes.dart": out + "  _ => null,\n};\n"}


def maker(schema, m):
    return f"  '{m.name}': (draw) => {construct(schema, m)},\n"


def construct(schema, m):
    # Fields that the main constructor does not take have no value there.
    fields = [f for f in m.dart_fields if f.name not in m.dart_skip and f.type.name != "any"]
    if m.name == "Error":
        by_name = {f.name: draw(schema, f.type) for f in fields}
        return f"Error({by_name['message']}(), null, {by_name['retVal']}(), {by_name['code']}())"
    arguments = [("" if f.positional else f"{f.name}: ") + f"{draw(schema, f.type)}()" for f in fields]
    arguments += ["req: null"] if m.req_required else []
    return f"{m.name}({', '.join(arguments)})"


def draw(schema, type_):
    """A function without arguments that makes a random value."""
    if type_.name == "map":
        core = f"draw.map({draw(schema, type_.item)})"
    elif type_.item:
        core = f"draw.list({draw(schema, type_.item)})"
    elif schema.enum(type_.name):
        core = f"draw.oneOf({type_.name}.values)"
    elif schema.value(type_.name):
        core = f"(() => draw{type_.name}(draw))"
    else:
        core = f"draw.{SCALARS[type_.name]}"
    return f"draw.maybe({core})" if type_.nullable else core
