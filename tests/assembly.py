"""From wheels to a package without pip: the stages behind the resolution, one after the other."""

from collections.abc import Iterable
from pathlib import Path

from entries import sha256
from readers import assert_reads_alike

from cdk_lambda_package.splicing import Provider, Segment, Series, Splice, Tree, merge, wheel_segments, write_zip
from cdk_lambda_package.store import Store, replacing


def splice_wheel(wheel: Path, store: Store) -> Segment:
    """Return the wheel's segment."""
    digest = sha256(wheel)
    return wheel_segments({digest: wheel}, store)[digest]


def provider_of(segment: Segment, owner: str = "demo==1.0") -> Provider:
    """Return a distribution as the merge sees it."""
    return Provider(owner=owner, files=Series(segment))


def whole(segment: Segment) -> Splice:
    return Splice.whole(segment)


def zip_segments(splices: Iterable[Splice], path: Path) -> Path:
    """Write the archive, see that all readers agree on it, and return its path."""
    with replacing(path) as stream:
        write_zip(list(splices), stream)
    assert_reads_alike(path)
    return path


def zip_wheel(wheel: Path, store: Store) -> Path:
    """Return a .zip with the content of one wheel."""
    return zip_segments([whole(splice_wheel(wheel, store))], wheel.with_suffix(".zip"))


def merge_segments(**segments: Segment) -> Tree:
    """Merge distributions given as name_version=segment, in order."""
    return merge([provider_of(segment, owner.replace("_", "==", 1)) for owner, segment in segments.items()])
