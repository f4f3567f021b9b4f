"""Files from the network: bounded in size, checked, and there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pooch

#: Bytes of a file whose content is known; what is larger at its address is another one.
LARGEST = 2**24


def download(url: str, place: Path, difference: Callable[[Path], str] | None) -> None:
    """Fetch a file to its place.

    Parameters
    ----------
    url : str
        Ends in the file's name; ``https://...``, or ``doi:.../file`` of an archive that knows the checksum.
    place : Path
        In a folder of its own, which is made.
    difference : callable or None
        Says of a file that was fetched what is wrong with it, or nothing; None where the archive does.

    Raises
    ------
    OSError
        If it cannot be fetched.
    ValueError
        If another file is at its address.
    """
    try:
        import pooch
    except ImportError:
        raise OSError("pooch is not installed, pip install pooch") from None

    def checked(url: str, target: str, fetcher: pooch.Pooch) -> None:
        """Fetch to the name that the file has before pooch moves it to its place; pooch knows no checksums of git."""
        with open(target, "wb") as file:
            pooch.HTTPDownloader()(url, _Bounded(file), fetcher)
        if difference and (message := difference(Path(target))):
            raise ValueError(f"another file is there, {message}")

    # which says the address again
    pooch.get_logger().setLevel("WARNING")
    fetcher = pooch.create(place.parent, base_url=url.removesuffix(place.name), registry={place.name: None} if difference else {})
    if not difference:
        fetcher.load_registry_from_doi()
    fetcher.fetch(place.name, downloader=checked if difference else None)


def reason(error: Exception) -> str:
    """Why a download failed, in one line; requests tells addresses of objects."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "RequestException" in kinds and "Timeout" in kinds:
        return "no answer in time"
    if "RequestException" in kinds and "ConnectionError" in kinds:
        return "no connection"
    return " ".join(str(error).split())


class _Bounded:
    """A file that refuses to grow past `LARGEST`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        if self._file.tell() + len(content) > LARGEST:
            raise ValueError(f"another file is there, found more than {LARGEST // 2**20} MiB")
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()
