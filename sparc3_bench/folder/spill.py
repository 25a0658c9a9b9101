"""Spill: tensors put down in a file without a name, which is gone with whoever made it."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sparc3_bench.errors import AssetError


class OpenFile:
    """A file that is open until nobody has this any more, whatever becomes of its name."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        weakref.finalize(self, os.close, handle)

    def read(self, into: Tensor, start: int) -> None:
        """Fill bytes, ``[n]`` uint8, from a place in it on."""
        left = into.numpy().data
        while left:
            count = os.preadv(self.handle, [left], start)
            if not count:
                raise OSError("the file is cut short")
            left, start = left[count:], start + count


class Spill:
    """A file, in a folder with room, for tensors that are wanted again, not in memory till then."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._end = folder, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
            # Nobody finds it by a name, so that half of it is never taken for the whole.
            Path(name).unlink()
            self._file = OpenFile(handle)
        except OSError as error:
            raise self._full(error) from None

    def put(self, values: Tensor) -> Callable[[], Tensor]:
        """Put a tensor down; return what gives it back, on the device where it was."""
        device, dtype, shape, start = values.device, values.dtype, values.shape, self._end
        content = values.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        size, left = len(content), content.numpy().data
        try:
            while left:
                written = os.pwrite(self._file.handle, left, self._end)
                left, self._end = left[written:], self._end + written
        except OSError as error:
            raise self._full(error) from None

        def again() -> Tensor:
            found = torch.empty(size, dtype=torch.uint8)
            self._file.read(found, start)
            return found.view(dtype).view(shape).to(device)

        return again

    def _full(self, error: OSError) -> AssetError:
        return AssetError(
            f"The folder {self._folder} cannot take what a model that is read block by block puts "
            f"down there ({error.strerror}); make room, or choose another with `--cache`."
        )
