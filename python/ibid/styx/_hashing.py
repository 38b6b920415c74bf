"""Inputs by their content."""

from __future__ import annotations

import os

from ibid import _ibid
from ibid._hearing import Hearing
from ibid._place import place
from ibid.styx._protocols import StrPath


class ContentHasher:
    """Takes a file for its bytes, and a folder for everything below it.

    Digests are remembered by what the file system says of a file, as the command line does it.
    `chunk_size` is accepted and means nothing: files are read as is best for them.
    """

    def __init__(self, chunk_size: int = 1 << 20) -> None:
        self.chunk_size = chunk_size

    def hash_path(self, path: StrPath) -> str:
        """Returns the BLAKE3 digest of a file's bytes, or of everything below a folder, in hex."""
        full = os.path.join(os.getcwd(), path)
        return _ibid.digest(place(None), full, Hearing(echo=False)).removeprefix("blake3:")
