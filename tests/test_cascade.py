"""The cascade finds what facenet-pytorch's own MTCNN finds, and so does whatever else takes a shorter way to faces."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from torch.nn.functional import interpolate

from fv2es.media import open_media
from fv2es.modalities import cascade as cascade_module
from fv2es.modalities.cascade import Cascade, _Sums, _surest
from fv2es.modalities.faces import DETECT_SIDE, Detection, FaceFinder, FaceTrack, _scaled_down, overlap
from fv2es.modalities.mtcnn import Network
from fv2es.schema import Box, FaceCrop, Frame

TOLERANCE = 0.01  # pixels, and of a confidence


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade()


@pytest.fixture(scope="module")
def original():
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, post_process=False, device="cpu")


@pytest.fixture(scope="module")
def pictures(examples: list[Path]) -> np.ndarray:
    """(N, 360, 360, 3): three of each example, as they are looked at, the left part of those that are wider."""
    taken = []
    for path in examples:
        with open_media(path) as media:
            taken += [one.pixels for one in media.read((1.0, 2.5, 4.0), sound=False) if isinstance(one, Frame)]
    return np.stack([_scaled_down(one)[:, :360] for one in taken])


def plainly(original, picture: np.ndarray, smallest: float = 40) -> np.ndarray:
    """What the package finds, (F, 5), surest first."""
    original.min_face_size = smallest
    boxes, confidences = original.detect(picture)
    if boxes is None:
        return np.zeros((0, 5))
    found = np.concatenate([boxes, np.array(confidences, float)[:, None]], axis=1).astype(float)
    return found[np.argsort(-found[:, 4], kind="stable")]


def assert_same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    assert [len(one) for one in found] == [len(one) for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        for row in one:  # nearly equal confidences may change places
            assert min(np.abs(other - row).max(axis=1)) <= TOLERANCE


def test_faces_are_those_of_the_package(cascade: Cascade, original, pictures: np.ndarray) -> None:
    wanted = [plainly(original, one) for one in pictures]
    assert sum(map(len, wanted)) >= 0.8 * len(pictures)
    assert_same(cascade.detect(pictures, 40), wanted)
    assert_same([cascade.detect(one[None], 40)[0] for one in pictures], wanted)


@pytest.mark.parametrize("smallest", [20, 97.3])
def test_whatever_size_is_looked_for(cascade: Cascade, original, pictures: np.ndarray, smallest: float) -> None:
    some = pictures[::4]
    assert_same(cascade.detect(some, smallest), [plainly(original, one, smallest) for one in some])


def test_several_faces_and_faces_over_the_edge(cascade: Cascade, original, pictures: np.ndarray) -> None:
    left, top, right, bottom = plainly(original, pictures[0])[0, :4].astype(int)
    middle = (left + right) // 2
    cut = pictures[0][:, middle - 20 :]  # the face's right half, at the left edge
    low = pictures[0][(top + bottom) // 2 - 30 :]
    two = np.concatenate([pictures[0], pictures[3]], axis=1)
    for one in (cut, low, two):
        one = np.ascontiguousarray(one)
        assert_same(cascade.detect(one[None], 40), [plainly(original, one)])
    assert len(plainly(original, two)) == 2


def test_noise_and_emptiness_hold_no_face(cascade: Cascade) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 200, 300, 3), np.uint8)
    assert [len(one) for one in cascade.detect(noise, 30)] == [0, 0, 0]
    assert [len(one) for one in cascade.detect(np.zeros((2, 60, 80, 3), np.uint8), 12)] == [0, 0]
    assert [len(one) for one in cascade.detect(noise[:, :20], 40)] == [0, 0, 0]


def test_the_thread_count_is_put_back(cascade: Cascade, pictures: np.ndarray) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        cascade.detect(pictures[:1], 40)
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="million"):
            cascade.detect(np.broadcast_to(np.uint8(0), (1, 3000, 3000, 3)), 40)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_means_are_those_of_torch() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 90, 130, 3), np.uint8)
    sums, plain = _Sums(pictures), torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    for size in ((27, 40), (90, 130), (13, 7)):
        wanted = interpolate(plain, size, mode="area").permute(0, 2, 3, 1)
        np.testing.assert_allclose(sums.scaled(*size)[0], wanted, atol=1e-3)
    boxes = np.array([[10.7, 5.2, 71.9, 66.4], [-8.0, -3.0, 20.5, 25.5], [100.0, 60.0, 160.0, 120.0], [50, 50, 61, 61]])
    crops, inside = sums.crops(np.concatenate([boxes, [[-30.0, 5.0, -2.0, 33.0]]]), np.array([0, 1, 0, 1, 0]), 24)
    assert inside.tolist() == [True, True, True, True, False]
    edges = ((10, 5, 71, 66), (1, 1, 20, 25), (100, 60, 130, 90), (50, 50, 61, 61))
    for crop, picture, (left, top, right, bottom) in zip(crops, (0, 1, 0, 1), edges, strict=True):
        part = plain[picture : picture + 1, :, top - 1 : bottom, left - 1 : right]
        wanted = interpolate(part, (24, 24), mode="area")[0].permute(1, 2, 0)
        np.testing.assert_allclose(crop, wanted, atol=1e-3)


def test_a_part_has_the_means_of_the_whole() -> None:
    pictures = np.random.default_rng(4).integers(0, 256, (2, 90, 130, 3), np.uint8)
    whole, part = _Sums(pictures), _Sums(pictures, (31.2, -5.0, 101.7, 66.4))
    for size in ((90, 130), (41, 67), (27, 40)):
        shown, (column, row) = part.scaled(*size)
        height, width = shown.shape[1:3]
        assert column % 2 == row % 2 == height % 2 == width % 2 == 0
        assert row == 0 < column
        assert height > 0.6 * size[0]
        assert width > 0.4 * size[1]
        everything, corner = whole.scaled(*size)
        assert corner == (0, 0)
        np.testing.assert_array_equal(shown, everything[:, row : row + height, column : column + width])
    assert 0 in _Sums(pictures, (50, 50, 51, 51)).scaled(27, 40)[0].shape
    boxes = np.array([[40.0, -3.0, 70.0, 20.0], [33.0, 30.0, 99.0, 66.0], [20.0, 30.0, 60.0, 60.0], [60, 50, 90, 80]])
    wanted, _ = whole.crops(boxes, np.array([0, 1, 0, 1]), 24)
    crops, inside = part.crops(boxes, np.array([0, 1, 0, 1]), 24)
    assert inside.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(crops, wanted[:2])


def same_box(one: FaceCrop, other: FaceCrop) -> bool:
    return one.box == pytest.approx(other.box, abs=TOLERANCE)


class Everywhere:
    """The same faces without being told where they were."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]:
        return self.finder.find(frames)


def both_ways(finder: FaceFinder, path: Path) -> list[tuple[FaceCrop, FaceCrop]]:
    """The faces of a clip with and without being told where they were, five frames at a time."""
    with open_media(path) as media:
        times = np.arange(0.2, 20, 0.4).tolist()
        frames = [one for one in media.read(times, sound=False) if isinstance(one, Frame)]
    tracks, pairs = (FaceTrack(finder), FaceTrack(Everywhere(finder))), []
    for first in range(0, len(frames), 5):
        short, plain = (track.follow_all(frames[first : first + 5]) for track in tracks)
        assert [one is None for one in short] == [one is None for one in plain]
        pairs += [(one, other) for one, other in zip(short, plain, strict=True) if one and other]
    return pairs


def test_where_a_face_was_it_is_found_again(examples: list[Path]) -> None:
    finder = FaceFinder()
    pairs = [pair for path in examples for pair in both_ways(finder, path)]
    assert len(pairs) > 100
    assert sum(same_box(*pair) for pair in pairs) >= 0.99 * len(pairs)


@pytest.mark.data
def test_where_a_face_was_it_is_found_again_in_real_clips(data: Path) -> None:
    finder = FaceFinder()
    pairs = [pair for path in sorted((data / "video").glob("[!g]*.m*")) for pair in both_ways(finder, path)]
    assert len(pairs) > 200
    assert sum(same_box(*pair) for pair in pairs) >= 0.98 * len(pairs)
    for one, other in pairs:  # what else comes out is the same face, cut a little differently
        assert overlap(one.box, other.box) > 0.85


def test_nothing_is_found_near_where_nothing_is(cascade: Cascade, pictures: np.ndarray) -> None:
    some = pictures[:2]
    left, top, right, bottom = cascade.detect(some[:1], 40)[0][0, :4].tolist()
    assert len(cascade.detect(some[:1], 40, (left + 3, top - 2, right + 3, bottom - 2))[0]) == 1
    for near in ((left, top, left + 3, top + 3), (-900.0, -900.0, -800.0, -800.0), (0.0, 0.0, 1e6, 1e6), (5.0,) * 4):
        assert [len(one) for one in cascade.detect(some, 40, near)] == [0, 0]


def test_too_large_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match=r"8\.4 million"):
        _Sums(np.broadcast_to(np.uint8(0), (1, 3000, 3000, 3)))


@pytest.mark.parametrize("size", [(720, 1280), (1280, 719), (480, 854), (361, 361)])
def test_frames_are_scaled_down_as_pillow_does(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8)
    small = _scaled_down(pixels)
    assert min(small.shape[:2]) == DETECT_SIDE
    assert small.flags.c_contiguous  # as the table of sums reads it; planes cost twice the time
    picture = Image.fromarray(pixels).resize(small.shape[1::-1], Image.Resampling.BILINEAR)
    assert np.abs(small.astype(int) - np.asarray(picture)).max() <= 1


def test_frames_together_give_the_crops_of_one_after_the_other(examples: list[Path]) -> None:
    finder = FaceFinder()
    with open_media(examples[0]) as media:
        frames = [one for one in media.read((1.0, 1.6, 2.2, 2.8), sound=False) if isinstance(one, Frame)]
    one_by_one = FaceTrack(finder)
    alone = [one_by_one.follow(frame) for frame in frames]
    for one, other in zip(FaceTrack(finder).follow_all(frames), alone, strict=True):
        assert one.box == pytest.approx(other.box, abs=TOLERANCE)
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 2


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_networks_say_what_the_packages_own_say(name: str, original) -> None:
    sides = {"pnet": (60, 47), "rnet": (24, 24), "onet": (48, 48)}[name]
    pictures = torch.randint(0, 256, (9, 3, *sides), generator=torch.Generator().manual_seed(5)).float()
    with torch.inference_mode():
        theirs = getattr(original, name)((pictures - 127.5) / 128)
        face, shifts = Network(name)(pictures.contiguous(memory_format=torch.channels_last))
    if name == "pnet":
        shifts = shifts.movedim(-1, 1)
    assert torch.allclose(face, theirs[-1][:, 1], atol=1e-5)
    assert torch.allclose(shifts, theirs[0], atol=1e-5)


def test_the_surest_of_overlapping_boxes_are_those_of_torchvision(monkeypatch) -> None:
    nms = pytest.importorskip("torchvision.ops").batched_nms
    draw = torch.Generator().manual_seed(3)
    corner, size = torch.rand(400, 2, generator=draw) * 60, torch.rand(400, 2, generator=draw) * 40
    boxes, owners = torch.cat([corner, corner + size], 1), torch.randint(0, 3, (400,), generator=draw)
    scores = torch.rand(400, generator=draw)
    for at_once in (512, 7):
        monkeypatch.setattr(cascade_module, "AT_ONCE", at_once)
        for most in (0.1, 0.5, 0.7):
            found = _surest(boxes, scores, owners, most)
            assert 3 < len(found) < 400
            assert torch.equal(found, nms(boxes, scores, owners, most))
    assert len(_surest(boxes[:0], scores[:0], owners[:0], 0.5)) == 0


def test_detection_does_not_import_the_package() -> None:
    """What it imports in turn would take 130 MB."""
    code = "import sys; from fv2es.modalities.faces import FaceFinder; FaceFinder(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(loaded.stdout.split()) & {"facenet_pytorch", "torchvision"}
