"""Every error that espnet-onnx raises on purpose.

    EspnetOnnxError
    ├── InputError         what the user gave cannot be used: exit 2
    │   ├── AudioError       a recording
    │   ├── ModelError       an ESPnet model, its config or its checkpoint
    │   ├── BundleError      a bundle on disk
    │   └── DispatchError    nobody, or more than one plugin, claims a component
    └── CheckFailed        a parity or comparison check did not pass: exit 1

A message is one line that names the thing, the reason and the remedy.
"""

__all__ = [
    "AudioError",
    "BundleError",
    "CheckFailed",
    "DispatchError",
    "EspnetOnnxError",
    "InputError",
    "ModelError",
    "one_line",
]


class EspnetOnnxError(Exception):
    """The base of all; `exit_code` is what the command line returns for it."""

    exit_code = 2


class InputError(EspnetOnnxError):
    """What the user gave cannot be used."""


class AudioError(InputError):
    """A recording is missing, unreadable, empty, too short or not finite."""


class ModelError(InputError):
    """An ESPnet model, its config or its checkpoint cannot be used."""


class BundleError(InputError):
    """A bundle is incomplete, damaged, of another format or lacks its plugin."""


class DispatchError(InputError):
    """A component is claimed by no plugin, or by more than one."""


class CheckFailed(EspnetOnnxError):
    """A check ran and its result is not good enough."""

    exit_code = 1


def one_line(error: BaseException, limit: int = 200) -> str:
    """The type and the first line of somebody else's exception, for a message of ours."""
    text = " ".join(str(error).strip().splitlines()[:1])
    kind = type(error).__name__
    return f"{kind}: {text[:limit]}" if text else kind
