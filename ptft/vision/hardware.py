"""The device that networks are trained on: whether it is there, its memory, and its failures."""

import contextlib
import sys

from ..errors import needs

with needs("vision"):
    import torch

from ..sweeps import provenance

__all__ = ["FAILURES", "available", "facts", "failure", "forget", "peak_memory"]

FAILURES = ("out of memory", "device lost")
"""What ends one training and need not end the next: statuses of what may be tried again."""

_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
_DEVICE = ("CUDA error", "CUDA driver", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")


def available(device):
    """Return the torch device of a name, or raise a ValueError if there is none."""
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be cpu, cuda or cuda:N, got {device!r}") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        n = torch.cuda.device_count()
        raise ValueError(f"device must be there, got {device!r} where torch finds {n} GPUs")
    return found


def facts(device):
    """Return commit, versions, date and hardware of this run, the GPU included.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    dict of str to str
    """
    found = provenance.facts("numpy", "torch", "torchvision")
    if device.type == "cuda":
        found["hardware"] += f", {torch.cuda.get_device_name(device)}"
    return found


def failure(error):
    """Return which of `FAILURES` an exception is, or None for any other.

    torch tells them apart by class only in part; for the rest its messages have to do.

    Parameters
    ----------
    error : Exception
    """
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return FAILURES[0]
    if not isinstance(error, RuntimeError):
        return None
    if any(part in text for part in _MEMORY):
        return FAILURES[0]
    lost = getattr(torch, "AcceleratorError", ())  # older versions have no such class
    if isinstance(error, lost) or any(part in text for part in _DEVICE):
        return FAILURES[1]
    return None


def forget(device):
    """Start to measure the memory of a GPU anew, with nothing kept from what ended before."""
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # a lost device is found out by who uses it
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device):
    """Return the most memory that was in use: of a GPU since `forget`, or of this process.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    int or None
        Bytes; None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
