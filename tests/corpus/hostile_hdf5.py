"""HDF5 files made to harm, or merely broken; ``main`` of the table gives what each is answered."""

import zlib
from pathlib import Path

import h5py
import keras_files as keras
import numpy as np


def made(fill):
    """A file's bytes, written by ``fill`` beside the weights of one convolution."""

    def make(canary):
        place = Path(canary).with_name("made.h5")
        with h5py.File(place, "w") as file:
            keras.named(file, {"conv": keras.kernel(1, 1, 3, 2)})
            fill(file, canary)
        data = place.read_bytes()
        place.unlink()
        return data

    return make


def nothing(file, canary):
    del file, canary


def plain(canary=None):
    return made(nothing)(canary or Path("canary"))


def instead(file, **options):
    """Another array in the place of the kernel."""
    del file["conv/conv/kernel:0"]
    return file.create_dataset("conv/conv/kernel:0", **options)


def soft_link(file, canary):
    del canary
    file["soft"] = h5py.SoftLink("/conv")


def soft_link_to_itself(file, canary):
    del canary
    file["loop"] = h5py.SoftLink("/loop")


def external_link(file, canary):
    file["outside"] = h5py.ExternalLink(str(canary), "/")


def external_weights(file, canary):
    del file["conv/conv/kernel:0"]
    file["conv/conv/kernel:0"] = h5py.ExternalLink("/etc/passwd", "/")
    del canary


def external_storage(file, canary):
    del canary
    instead(file, shape=(1, 1, 3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)])


def virtual(file, canary):
    layout = h5py.VirtualLayout(shape=(1, 1, 3, 2), dtype="f4")
    layout[:] = h5py.VirtualSource(str(canary), "x", shape=(1, 1, 3, 2))
    del file["conv/conv/kernel:0"]
    file.create_virtual_dataset("conv/conv/kernel:0", layout)


def group_in_itself(file, canary):
    del canary
    file["conv/again"] = file["conv"]


def deep(file, canary):
    del canary
    file.create_group("/".join("g" * 400))


def many(file, canary):
    del canary
    group = file.create_group("many")
    for index in range(10_001):
        group[str(index)] = h5py.SoftLink("/")


def never_written(file, canary):
    """A terabyte of which nothing is stored."""
    del canary
    instead(file, shape=(2**38,), dtype="f4")


def never_written_in_chunks(file, canary):
    del canary
    instead(file, shape=(2**38,), dtype="f4", chunks=(2**20,))


def bomb(file, canary):
    """Zeros, a thousand to one."""
    del canary
    count, chunk = 2**25, 2**20
    data = instead(file, shape=(count,), dtype="f4", chunks=(chunk,), compression="gzip")
    zeros = zlib.compress(bytes(4 * chunk))
    for start in range(0, count, chunk):
        data.id.write_direct_chunk((start,), zeros)


def sparse_bomb(file, canary):
    """A compressed array of a terabyte, with one chunk."""
    del canary
    data = instead(file, shape=(2**38,), dtype="f4", chunks=(2**16,), compression="gzip")
    data[:10] = 1.0


def large_chunk(file, canary):
    del canary
    instead(file, shape=(4,), maxshape=(None,), dtype="f4", chunks=(2**28,), compression="gzip")


def other_filter(file, canary):
    del canary
    instead(file, data=np.zeros(1000, dtype="f4"), compression="lzf")


def of_texts(file, canary):
    del canary
    instead(file, data=[b"a", b"b"])


def of_variable_texts(file, canary):
    del canary
    instead(file, data=["a" * 1000, "b"], dtype=h5py.string_dtype())


def of_references(file, canary):
    del canary
    instead(file, data=[file["conv"].ref], dtype=h5py.ref_dtype)


def of_records(file, canary):
    del canary
    instead(file, data=np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))


def of_complex_numbers(file, canary):
    del canary
    instead(file, data=np.zeros(3, dtype="c8"))


def without_shape(file, canary):
    del canary
    instead(file, data=h5py.Empty("f4"))


def many_sides(file, canary):
    del canary
    instead(file, data=np.zeros((1,) * 20, dtype="f4"))


def named_type(file, canary):
    del canary
    file["kind"] = np.dtype("f4")


def names_as_numbers(file, canary):
    del canary
    file.attrs["layer_names"] = np.arange(4)


def names_of_absent_layers(file, canary):
    del canary
    file.attrs["layer_names"] = [b"nowhere"]


def weights_above(file, canary):
    del canary
    file["conv"].attrs["weight_names"] = [b"../../../etc/passwd"]


def weights_twice(file, canary):
    del canary
    file.attrs["layer_names"] = [b"conv"] * 100
    file["conv"].attrs["weight_names"] = [b"conv/kernel:0"] * 2_000


def long_names(file, canary):
    del canary
    file.attrs["layer_names"] = [b"\x1b[31m\n" + b"x" * 3000]


def no_layers(file, canary):
    del canary
    del file.attrs["layer_names"]


def a_pickle(file, canary):
    """Bytes that some readers would unpickle."""
    del canary
    file["conv"].attrs["weight_names"] = np.void(b"\x80\x02cos\nsystem\n(S'ls'\ntR.")


def odd_weights(file, canary):
    del canary
    instead(file, data=np.zeros((2, 2, 2), dtype="f4"))


def infinite(file, canary):
    del canary
    instead(file, data=np.full((1, 1, 3, 2), np.inf, dtype="f4"))


def cut(count):
    return lambda canary: plain(canary)[:count]


def flipped(seed):
    """Forty bytes of the file's skeleton changed."""

    def make(canary):
        data = bytearray(plain(canary))
        draw = np.random.default_rng(seed)
        for place in draw.integers(8, len(data), 40):
            data[place] = draw.integers(0, 256)
        return bytes(data)

    return make


def address_beyond_the_end(canary):
    data = bytearray(plain(canary))
    data[64:72] = (2**60).to_bytes(8, "little")  # of the root group's header
    return bytes(data)


def end_of_file_that_lies(canary):
    data = bytearray(plain(canary))
    data[40:48] = (2**50).to_bytes(8, "little")
    return bytes(data)


def user_block(canary):
    """512 bytes of something else in front: two readers see two files."""
    place = Path(canary).with_name("made.h5")
    with h5py.File(place, "w", userblock_size=512) as file:
        keras.named(file, {"conv": keras.kernel(1, 1, 3, 2)})
    data = b"PK\x03\x04" + place.read_bytes()[4:]
    place.unlink()
    return data


HDF5 = {
    "a soft link": made(soft_link),
    "a soft link to itself": made(soft_link_to_itself),
    "an external link": made(external_link),
    "weights behind an external link": made(external_weights),
    "numbers kept in another file": made(external_storage),
    "a virtual dataset": made(virtual),
    "a group inside itself": made(group_in_itself),
    "four hundred groups deep": made(deep),
    "ten thousand links": made(many),
    "a terabyte that was never written": made(never_written),
    "a terabyte of chunks that were never written": made(never_written_in_chunks),
    "compressed zeros": made(bomb),
    "a terabyte with one compressed chunk": made(sparse_bomb),
    "a chunk of a gigabyte": made(large_chunk),
    "a filter that Keras does not use": made(other_filter),
    "texts for weights": made(of_texts),
    "texts of any length for weights": made(of_variable_texts),
    "references for weights": made(of_references),
    "records for weights": made(of_records),
    "complex numbers for weights": made(of_complex_numbers),
    "weights without a shape": made(without_shape),
    "weights of twenty sides": made(many_sides),
    "a named type": made(named_type),
    "numbers for layers' names": made(names_as_numbers),
    "names of absent layers": made(names_of_absent_layers),
    "a weight above the file": made(weights_above),
    "one weight two hundred thousand times": made(weights_twice),
    "a name with colours": made(long_names),
    "no layers": made(no_layers),
    "a pickle for names": made(a_pickle),
    "weights of no layer": made(odd_weights),
    "infinite weights": made(infinite),
    "the signature alone": cut(8),
    "half an HDF5 file": cut(1200),
    "bytes changed": flipped(1),
    "other bytes changed": flipped(2),
    "an address beyond the end": address_beyond_the_end,
    "an end of file that lies": end_of_file_that_lies,
    "a zip's head in front of HDF5": user_block,
}
