"""Spill: tensors put down in a file without a name, which is gone with whoever made it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sparc3_bench.errors import AssetError


class Spill:
    """A file for tensors that are wanted again, and not in memory until then.

    Parameters
    ----------
    folder
        Where there is room; made when absent.

    Raises
    ------
    AssetError
        When the file cannot be made, or written for want of room.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._end = folder, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Nobody finds it by a name, so that half of it is never taken for the whole.
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # ends with it
        except OSError as error:
            raise self._full(error) from None

    def put(self, values: Tensor) -> Callable[[], Tensor]:
        """Put a tensor down; return what gives it back, on the device where it was."""
        device, dtype, shape, start = values.device, values.dtype, values.shape, self._end
        content = values.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        size, left = len(content), memoryview(content.numpy())
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, self._end)
                left, self._end = left[written:], self._end + written
        except OSError as error:
            raise self._full(error) from None

        def again() -> Tensor:
            found = torch.empty(size, dtype=torch.uint8)
            read_at(self._file.fileno(), found, start)
            return found.view(dtype).view(shape).to(device)

        return again

    def _full(self, error: OSError) -> AssetError:
        return AssetError(
            f"The folder {self._folder} cannot take what a model that is read block by block puts "
            f"down there ({error.strerror}); make room, or choose another with `--cache`."
        )


def read_at(handle: int, into: Tensor, start: int) -> None:
    """Fill bytes, ``[n]`` uint8, from a place in an open file.

    Raises
    ------
    OSError
        When the file ends before.
    """
    left = memoryview(into.numpy())
    while left:
        count = os.preadv(handle, [left], start)
        if not count:
            raise OSError("the file is cut short")
        left, start = left[count:], start + count
