"""TFLite files, written directly: for LiteRT on phones and boards, TFLite Micro, and NPUs."""

from nas.support.errors import NasError
from nas.support.resources import install_extra

try:
    from nas.formats.tflite.flatbuffer import read_metadata as read_metadata
    from nas.formats.tflite.model import to_tflite as to_tflite
except ModuleNotFoundError as error:
    if error.name not in ("flatbuffers", "tflite"):
        raise
    raise NasError(f"TFLite files need two packages: {install_extra('tflite')}") from None
