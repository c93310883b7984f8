"""``.keras`` archives made to harm, or merely broken."""

import io
import json
import zipfile

import hostile_hdf5

LAYERS = json.dumps(
    {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Conv2D", "config": {"name": "conv"}}]},
    }
).encode()


def archive(config=LAYERS, weights=hostile_hdf5.plain, entries=(), kind=zipfile.ZIP_STORED):
    """An archive's bytes, of a description, a file of weights and other entries."""

    def make(canary):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", kind) as file:
            file.writestr("metadata.json", b"{}")
            file.writestr("config.json", config)
            file.writestr("model.weights.h5", weights(canary))
            for name, data in entries:
                file.writestr(name, data)
        return buffer.getvalue()

    return make


def weights_of(case):
    return archive(weights=hostile_hdf5.HDF5[case])


KERAS = {
    "Keras: an external link": weights_of("an external link"),
    "Keras: numbers kept in another file": weights_of("numbers kept in another file"),
    "Keras: a terabyte that was never written": weights_of("a terabyte that was never written"),
    "Keras: half an HDF5 file": weights_of("half an HDF5 file"),
    "Keras: JSON without end": archive(config=b"[" * 100_000),
    "Keras: a description of nothing": archive(config=b"{}"),
    "Keras: 40 MiB of description": archive(
        config=b'{"": "' + bytes(range(32, 127)) * 440_000, kind=zipfile.ZIP_DEFLATED
    ),
    "Keras: an entry above the folder": archive(entries=[("../x", b"")]),
    "Keras: two descriptions": archive(entries=[("CONFIG.JSON", b"{}")]),
}
