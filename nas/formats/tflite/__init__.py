"""TFLite files, written directly: for LiteRT on phones and boards, TFLite Micro, and NPUs."""

from nas.support.errors import NasError

try:
    from nas.formats.tflite.flatbuffer import read_metadata as read_metadata
    from nas.formats.tflite.model import to_tflite as to_tflite
except ModuleNotFoundError as error:
    if error.name not in ("flatbuffers", "tflite"):
        raise
    raise NasError("TFLite files need two packages: pip install 'hw-nas[tflite]'") from None
