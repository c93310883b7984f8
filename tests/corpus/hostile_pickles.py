"""Pickles, zips and other checkpoints made to harm, or merely broken.

Whatever would execute touches a canary file or makes a folder of that name.
"""

import argparse
import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib

import torch
from pickle_programs import (
    MAGIC,
    Call,
    archive,
    beside,
    command,
    doubled_key,
    doubled_list,
    entry_changed,
    legacy,
    local_changed,
    mapping,
    name,
    nested_key,
    number,
    safetensors,
    sample,
    saved,
    storage,
    tensor,
    text,
    zipped,
)

HUGE = 2**40


def tar_polyglot(canary):
    """A tar archive, of torch's oldest form, whose first name is the newer form's magic."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as file:
        content = pickle.dumps(Call(os.system, command(canary)), 2)
        for place in ("first", "storages", f"../{canary.name}"):
            info = tarfile.TarInfo(place)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    data = bytearray(buffer.getvalue())
    data[: len(MAGIC)] = MAGIC
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


def overlapping():
    data = bytearray(archive({f"m/{i}": b"\0" * 50 for i in range(3)}))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    return bytes(data)


def bomb(entries=1):
    zeros = bytes(2**26 + 2**20)
    return archive({f"m/{i}": zeros for i in range(entries)}, zipfile.ZIP_DEFLATED)


def two_pickles(canary):
    hostile = pickle.dumps(Call(os.system, command(canary)), 2)
    return archive({"m/data.pkl": mapping(tensor(2, (2,), (1,))), "m/DATA.PKL": hostile})


def shown_twice(canary):
    """One directory before the other: readers that search from the front find the hostile one."""
    hostile = zipped(pickle.dumps(Call(os.system, command(canary)), 2))
    return hostile + sample()


def broken_checksum():
    data = sample()
    place = data.index(b"X\x06\x00\x00\x00weight") + 5
    return data[:place] + b"wEight" + data[place + 6 :]


def two_names(data):
    """The pickle called by one name in the directory, by another before its bytes."""
    place = data.index(b"m/data.pkl")
    return data[:place] + b"m/data.txt" + data[place + 10 :]


def another_pickle(canary):
    """A pickle that torch reads on the word of the first one, under a name that is no pickle's."""
    hostile = pickle.dumps(Call(os.system, command(canary)), 2)
    load = name("torch", "load") + b"(" + text(str(canary)) + b"NN" + text("config.p") + b"tR."
    return zipped(b"\x80\x02" + load, **{"m/config.p": hostile})


def huge_array():
    """An array of numpy that claims more numbers than there are bytes."""
    kind = name("numpy", "dtype") + b"(" + text("f4") + b"\x89\x88tR"
    made = name("numpy.core.multiarray", "_reconstruct") + b"(" + name("numpy", "ndarray")
    made += b"K\x00\x85" + text("b") + b"tR"
    return made + b"(K\x01" + number(HUGE) + b"\x85" + kind + b"\x89" + text("none") + b"tb"


RUNS = {  # would run code
    "os.system": lambda c: zipped(pickle.dumps(Call(os.system, command(c)), 2)),
    "os.system, before torch 1.6": lambda c: legacy(pickle.dumps(Call(os.system, command(c)), 2)),
    "os.system, no torch.save": lambda c: pickle.dumps(Call(os.system, command(c))),
    "eval": lambda c: zipped(pickle.dumps(Call(eval, f"open({str(c)!r}, 'w')"), 2)),
    "exec, protocol 4": lambda c: zipped(pickle.dumps(Call(exec, f"open({str(c)!r}, 'w')"), 4)),
    "open": lambda c: zipped(pickle.dumps(Call(open, str(c), "w"), 2)),
    "getattr of a module": lambda c: zipped(
        b"\x80\x02" + name("builtins", "getattr") + name("builtins", "__import__") + text("os")
        + b"\x85R" + text("system") + b"\x86R" + text(command(c)) + b"\x85R."
    ),
    "a protocol 0 pickle in a zip": lambda c: zipped(
        f"cos\nsystem\n(S'{command(c)}'\ntR.".encode()
    ),
    "INST": lambda c: zipped(f"(S'{command(c)}'\nios\nsystem\n.".encode()),
    "OBJ": lambda c: zipped(b"\x80\x02(" + name("os", "system") + text(command(c)) + b"o."),
    "NEWOBJ": lambda c: zipped(
        b"\x80\x02" + name("subprocess", "Popen") + text(command(c)) + b"\x85\x81."
    ),
    "NEWOBJ_EX": lambda c: zipped(
        b"\x80\x04" + name("subprocess", "Popen") + text(command(c)) + b"\x85}\x92."
    ),
    "STACK_GLOBAL from memorised texts": lambda c: zipped(
        b"\x80\x04" + text("system") + b"\x94" + text("posix") + b"\x94" + b"h\x01h\x00\x93"
        + text(command(c)) + b"\x85R."
    ),
    "STACK_GLOBAL of computed texts": lambda c: zipped(
        b"\x80\x04" + name("builtins", "str") + text("os") + b"\x85R" + text("system") + b"\x93"
        + text(command(c)) + b"\x85R."
    ),
    "hidden behind weights": lambda c: saved(
        {"a": torch.ones(2), "b": Call(os.system, command(c))}
    ),
    "hidden in an OrderedDict's attributes": lambda _: zipped(
        b"\x80\x02" + name("collections", "OrderedDict") + b")R}" + text("items")
        + name("os", "system") + b"sb."
    ),
    "in the storage keys of the older form": lambda c: MAGIC + pickle.dumps(1001, 2)
    + pickle.dumps({}, 2) + mapping(tensor(2, (2,), (1,)))
    + pickle.dumps(Call(os.system, command(c)), 2),
    "in the system information of the older form": lambda c: MAGIC + pickle.dumps(1001, 2)
    + pickle.dumps(Call(os.system, command(c)), 2) + mapping(tensor(2, (2,), (1,))),
    "a layer that is not on the list": lambda _: zipped(
        b"\x80\x02" + name("torch.nn.modules.rnn", "LSTM") + b")\x81}b."
    ),
    "torch.load inside": lambda c: zipped(
        pickle.dumps(Call(torch.load, str(c)), 2)
    ),
    "numpy's loader": lambda c: zipped(
        b"\x80\x02" + name("numpy", "load") + text(str(c)) + b"\x85R."
    ),
    "runpy": lambda c: zipped(b"\x80\x02" + name("runpy", "run_path") + text(str(c)) + b"\x85R."),
    "copyreg extension": lambda _: zipped(b"\x80\x02\x82\x01)R."),
    "a name with a newline and colours": lambda _: zipped(
        b"\x80\x04" + text("os\n\x1b[31m") + text("system\r") + b"\x93)R."
    ),
    "tar archive with the newer form's magic": tar_polyglot,
    "text that is a protocol 0 pickle": lambda c: f"cos\nsystem\n(S'{command(c)}'\ntR.".encode(),
    "pip.main (GHSA-655q-fx9r-782v)": lambda _: beside(
        name("pip", "main") + b"]" + text("install") + b"a" + text("evil") + b"a\x85R"
    ),
    "another pickle under another name (GHSA-769v-p64c-89pr)": another_pickle,
    "a flag that Python's reader minds (GHSA-w8jq-xcqf-f792)": lambda c: local_changed(
        entry_changed(zipped(pickle.dumps(Call(os.system, command(c)), 2)), 6, 0x00200014), 6, 0x20
    ),
    "two names of one entry (GHSA-7q5r-7gvp-wc82)": lambda c: two_names(
        zipped(pickle.dumps(Call(os.system, command(c)), 2))
    ),
    "STACK_GLOBAL of the first two texts (GHSA-9gvj-pp9x-gcfr)": lambda c: zipped(
        f"S'os'\nS'system'\n\x93(S'{command(c)}'\ntR.".encode("latin1")
    ),
    "numpy's __builtins__": lambda c: beside(
        name("builtins", "getattr") + name("numpy", "__builtins__") + text("eval") + b"\x86R"
        + text(f"open({str(c)!r}, 'w')") + b"\x85R"
    ),
    "a module behind another": lambda c: beside(
        name("mine.helpers", "subprocess.Popen") + text(command(c)) + b"\x85R"
    ),
    "a function of another package": lambda c: beside(
        name("mine.helpers", "run") + text(command(c)) + b"\x85R"
    ),
    "what a call returns, called": lambda c: beside(
        name("mine", "Runner") + b")R" + text(command(c)) + b"\x85R"
    ),
    "a hidden method of a class": lambda _: beside(
        name("builtins", "getattr") + name("mine", "Runner") + text("__subclasses__") + b"\x86R"
    ),
    "a dictionary whose default is a command": lambda _: beside(
        name("collections", "defaultdict") + name("os", "getcwd") + b"\x85R"
    ),
    "map over eval": lambda c: beside(
        name("builtins", "map") + name("builtins", "eval") + b"]" + text(str(c)) + b"a\x86R"
    ),
    "a log that is written": lambda c: beside(
        name("logging", "FileHandler") + text(str(c)) + b"\x85R"
    ),
    "a name of Python 2": lambda c: beside(
        name("commands", "getoutput") + text(command(c)) + b"\x85R"
    ),
    "in a namespace beside the weights": lambda c: saved(
        {"state_dict": {"a": torch.ones(2)},
         "args": argparse.Namespace(hook=Call(os.system, command(c)))}
    ),
    "a pickle inside the pickle": lambda c: beside(
        name("torch.storage", "_load_from_bytes") + b"B"
        + struct.pack("<I", len(inner := pickle.dumps(Call(os.system, command(c)), 2))) + inner
        + b"\x85R"
    ),
    "two entries that differ in case": two_pickles,
    "two archives in one file": shown_twice,
}  # fmt: skip

EXHAUSTS = {  # would take memory or time
    "a constructor with huge sizes": lambda _: zipped(
        mapping(name("torch.nn.modules.linear", "Linear") + b"(" + number(10**6) * 2 + b"tR")
    ),
    "a bytearray": lambda _: zipped(
        mapping(name("builtins", "bytearray") + number(HUGE) + b"\x85R")
    ),
    "torch.Tensor with sizes": lambda _: zipped(
        mapping(name("torch", "Tensor") + number(10**6) + number(10**6) + b"\x86R")
    ),
    "a tensor larger than its storage": lambda _: zipped(
        mapping(tensor(2, (10**6, 10**6), (10**6, 1)))
    ),
    "a tensor expanded by stride 0": lambda _: zipped(mapping(tensor(2, (HUGE,), (0,)))),
    "many views of one storage": lambda _: zipped(
        b"\x80\x02}(" + b"".join(text(str(i)) + tensor(2, (2**20,), (0,)) for i in range(99))
        + b"u."
    ),
    "a negative side": lambda _: zipped(mapping(tensor(2, (-1, -(2**30)), (1, 1)))),
    "an offset beyond the storage": lambda _: zipped(mapping(tensor(2, (2,), (1,), offset=2**30))),
    "a storage longer than its entry": lambda _: zipped(mapping(tensor(2**30, (2,), (1,)))),
    "a storage of the older form longer than the file": lambda _: legacy(
        mapping(tensor(HUGE, (2,), (1,)))
    ),
    "nested tuples as a key": lambda _: zipped(nested_key(60_000)),
    "doubled tuples as a key": lambda _: zipped(doubled_key(60)),
    "doubled tuples in a set": lambda _: zipped(
        b"\x80\x02" + name("builtins", "set") + b"])" + b"q\x00h\x00\x86" * 60 + b"a\x85R."
    ),
    "a memo index of two thousand million": lambda _: legacy(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "three hundred thousand steps": lambda _: zipped(b"\x80\x02]" + b"N0" * 150_000 + b"."),
    "values inside values, two hundred deep": lambda _: zipped(
        b"\x80\x02" + b"]" * 200 + b"a" * 199 + b"."
    ),
    "doubled lists": lambda _: zipped(doubled_list(60)),
    "an array of numpy longer than its bytes": lambda _: zipped(mapping(huge_array())),
    "a frame that lies": lambda _: zipped(b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"N."),
    "a text that lies about its length": lambda _: zipped(
        b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"short."
    ),
    "bytes that lie about their length": lambda _: legacy(
        b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b"short."
    ),
    "a number of a million digits": lambda _: zipped(b"L" + b"9" * 10**6 + b"L\n."),
    "a zip bomb": lambda _: bomb(),
    "overlapping entries": lambda _: overlapping(),
    "an entry that claims to be huge": lambda _: entry_changed(sample(), 24, 2**31),
    "an entry that claims to be stored huge": lambda _: entry_changed(
        entry_changed(sample(), 24, 2**31), 20, 2**31
    ),
    "a bomb as the pickle": lambda _: archive(
        {"m/data.pkl": b"\x80\x02" + b"N0" * 2**25}, zipfile.ZIP_DEFLATED
    ),
    "safetensors with a huge header": lambda _: struct.pack("<Q", HUGE) + b"{}" + b" " * 64,
    "safetensors that lie about a shape": lambda _: safetensors(
        b'{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,8]}}'
    ),
    "safetensors beyond their end": lambda _: safetensors(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,800000000]}}'
    ),
    "safetensors nested deeply": lambda _: safetensors(b'{"a":' * 10_000),
}  # fmt: skip

ESCAPES = {  # would leave the folder, or are read by two readers in two ways
    "an entry above the folder": lambda _: archive({"../m/data.pkl": b"N."}),
    "an entry at an absolute path": lambda _: archive({"/m/data.pkl": b"N."}),
    "an entry with backslashes": lambda _: archive({"m\\..\\data.pkl": b"N."}),
    "a storage key above the folder": lambda _: zipped(
        mapping(tensor(2, (2,), (1,), key="../../version"))
    ),
    "a storage key that is no text": lambda _: zipped(mapping(storage(2).replace(text("0"), b"N"))),
    "an encrypted entry": lambda _: entry_changed(sample(), 6, 0x00010014),
    "an unknown compression": lambda _: entry_changed(sample(), 8, 0x00630000),
    "data after the archive": lambda _: sample() + b"PK and more",
    "data before the archive": lambda _: b"PK\x03\x04" + b"\0" * 100 + sample(),
    "an entry that torch.save does not write": lambda _: zipped(
        mapping(tensor(2, (2,), (1,))), **{"m/code/model.py": b"import os"}
    ),
    "an archive without folder": lambda _: archive({"data.pkl": b"N.", "data/0": b""}),
}

BROKEN = {  # merely broken
    "nothing": lambda _: b"",
    "one byte": lambda _: b"\x80",
    "the magic alone": lambda _: MAGIC,
    "half a zip": lambda _: sample()[:400],
    "a changed checksum": lambda _: broken_checksum(),
    "an empty zip": lambda _: archive({}),
    "a pickle without end": lambda _: zipped(b"\x80\x02}"),
    "a pickle that pops too much": lambda _: zipped(b"\x80\x02000."),
    "a pickle that recalls nothing": lambda _: zipped(b"\x80\x02h\x07."),
    "a mark without its items": lambda _: zipped(b"\x80\x02t."),
    "a list set as a dictionary": lambda _: zipped(b"\x80\x02]NNs."),
    "a number that is appended to": lambda _: zipped(b"\x80\x02K\x01Na."),
    "a class changed in place": lambda _: zipped(
        b"\x80\x02" + name("collections", "OrderedDict") + b"}" + text("x") + b"Nsb."
    ),
    "a checkpoint of bytes": lambda _: zipped(pickle.dumps(b"weights", 3)),
    "a storage that is missing": lambda _: zipped(mapping(tensor(2, (2,), (1,), key="7"))),
    "an unknown storage": lambda _: zipped(mapping(tensor(2, (2,), (1,), kind="HugeStorage"))),
    "the older form without storages": lambda _: legacy(mapping(tensor(2, (2,), (1,))), tail=b""),
    "deflated rubbish": lambda _: zlib.compress(b"weights"),
    "a layer that holds itself": lambda _: zipped(
        b"\x80\x02" + name("torch.nn.modules.container", "Sequential") + b")\x81q\x00}"
        + text("_modules") + b"}" + text("0") + b"h\x00ssb."
    ),
    "a layer without its parts": lambda _: zipped(
        b"\x80\x02" + name("torch.nn.modules.conv", "Conv2d") + b")\x81}" + text("a") + b"Nsb."
    ),
    "a layer called instead of made": lambda _: zipped(
        b"\x80\x02" + name("torch.nn.modules.flatten", "Flatten") + b")R."
    ),
    "a class for a network": lambda _: zipped(
        b"\x80\x02" + name("torch.nn.modules.flatten", "Flatten") + b"."
    ),
}  # fmt: skip
