"""Pickle programs, and zips of them, put together by hand."""

import io
import pickle
import struct
import zipfile

import torch

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)


class Call:
    """Pickles into a call."""

    def __init__(self, function, *values, state=None):
        self.made = (function, values) if state is None else (function, values, state)

    def __reduce__(self):
        return self.made


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def name(module, function):
    return f"c{module}\n{function}\n".encode()


def number(value):
    if abs(value) < 2**31:
        return b"J" + struct.pack("<i", value)
    digits = pickle.encode_long(value)
    return b"\x8a" + bytes([len(digits)]) + digits


def storage(count, key="0", kind="FloatStorage"):
    return (b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu")
            + number(count) + b"tQ")  # fmt: skip


def tensor(count, size, stride, offset=0, **options):
    sides = b"(" + b"".join(map(number, size)) + b"t"
    steps = b"(" + b"".join(map(number, stride)) + b"t"
    hooks = name("collections", "OrderedDict") + b")R"
    return (name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage(count, **options)
            + number(offset) + sides + steps + b"\x89" + hooks + b"tR")  # fmt: skip


def mapping(value):
    """A state dict with one weight, as a pickle's program."""
    return b"\x80\x02}" + text("weight") + value + b"s."


def command(canary):
    return f"touch {canary}"


def archive(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for place, content in entries.items():
            file.writestr(place, content)
    return buffer.getvalue()


def zipped(program, **more):
    return archive({"m/data.pkl": program, "m/data/0": b"\0" * 8, "m/version": b"3\n", **more})


STORED = struct.pack("<q", 2) + b"\0" * 8  # two numbers, as the older form keeps them


def legacy(program, keys=("0",), tail=STORED):
    information = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    rest = pickle.dumps(1001, 2) + pickle.dumps(information, 2)
    return MAGIC + rest + program + pickle.dumps(list(keys), 2) + tail


def saved(content, *, is_zip=True):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
    return buffer.getvalue()


def sample():
    return saved({"weight": torch.ones(2)})


def entry_changed(data, field, value):
    """The first entry of a zip's directory with another number in it."""
    place = data.index(b"PK\x01\x02") + field
    return data[:place] + struct.pack("<L", value) + data[place + 4 :]


def nested_key(depth):
    """A dictionary whose key is a tuple in a tuple in a tuple: its hash exhausts the stack."""
    return b"\x80\x02})" + b"\x85" * depth + b"Ns."


def doubled_key(depth):
    """A key whose hash takes 2 to the power of its depth."""
    steps = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(depth))
    return b"\x80\x02})" + steps + b"Ns."


def local_changed(data, field, value):
    """The first entry's own header with another number of two bytes in it."""
    place = data.index(b"PK\x03\x04") + field
    return data[:place] + struct.pack("<H", value) + data[place + 2 :]


def beside(program):
    """A pickle of weights with something else under another key."""
    weights = text("weight") + tensor(2, (2,), (1,))
    return zipped(b"\x80\x02}(" + weights + text("more") + program + b"u.")


def doubled_list(depth):
    """Each list holds the one before it twice: a walk of all takes 2 to the power of the depth."""
    steps = b"".join(
        b"]q" + bytes([place]) + b"(h" + bytes([place - 1]) + b"h" + bytes([place - 1]) + b"e"
        for place in range(1, depth)
    )
    return b"\x80\x02(]q\x00" + steps + b"t."


def safetensors(header, tail=b"\0" * 8):
    return struct.pack("<Q", len(header)) + header + tail
