"""The fit of the shape model, on masks whose true shapes are known: the model's own draws."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.chest import ORGANS
from darts_adv_tf.data.phantom.shape_model import ShapeModel, chest_shapes
from tests.tools.test_benchmark_search_step import REPOSITORY

NUM_CASES = 60
SIDE = 256


def paint(contour: np.ndarray) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round((contour * SIDE - 0.5) * 256).astype(np.int32)], 255, shift=8)
    return mask


def write_case(folder, name, masks):
    for organ, mask in zip(ORGANS, masks, strict=True):
        (folder / organ).mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / organ / f"{name}.png"), mask)


def fit(folder, output) -> subprocess.CompletedProcess:
    tool = REPOSITORY / "tools" / "fit_chest_shapes.py"
    told = [f"--masks={folder}", f"--output={output}", "--source=draws", "--licence=none"]
    return subprocess.run(
        [sys.executable, tool, *told], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def refitted(tmp_path_factory):
    """The true chests, the finished process and the file it wrote."""
    folder = tmp_path_factory.mktemp("shapes")
    chests = [chest_shapes().draw(np.random.default_rng((7, i))) for i in range(NUM_CASES)]
    for index, chest in enumerate(chests):
        write_case(folder, f"case_{index:02d}", [paint(chest.outline(organ)) for organ in ORGANS])
    left, right, heart = (paint(chests[0].outline(organ)) for organ in ORGANS)
    write_case(folder, "swapped", (heart, right, left))
    output = folder / "fitted.json"
    process = fit(folder, output)
    assert process.returncode == 0, process.stderr[-2000:]
    return chests, process, output


def areas(chests) -> np.ndarray:
    """(cases, organs), fractions of the picture."""
    return np.array([[np.mean(paint(c.outline(organ)) > 0) for organ in ORGANS] for c in chests])


def test_it_finds_the_mean_shape_again(refitted):
    chests, _, output = refitted
    model = ShapeModel.read(output)
    assert model.paths == chest_shapes().paths
    centred = [chest.points - chest.points.mean(axis=0) for chest in chests]
    sizes = [np.sqrt(np.mean(np.sum(points**2, axis=1))) for points in centred]
    truth = np.mean([points / size for points, size in zip(centred, sizes, strict=True)], axis=0)
    # In sizes of a chest, about 0.3 pictures: a pixel of these masks is 0.013.
    assert np.linalg.norm(model.mean - truth, axis=1).mean() < 0.02
    centre = np.mean([chest.points.mean(axis=0) for chest in chests], axis=0)
    np.testing.assert_allclose(model.pose_mean[:2], centre, atol=0.003)
    assert model.pose_mean[2] == pytest.approx(np.log(sizes).mean(), abs=0.01)


def test_its_draws_vary_as_the_cases_do(refitted):
    chests, _, output = refitted
    model = ShapeModel.read(output)
    truth = areas(chests)
    drawn = areas([model.draw(np.random.default_rng(index)) for index in range(300)])
    np.testing.assert_allclose(drawn.mean(axis=0), truth.mean(axis=0), rtol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), truth.std(axis=0), rtol=0.25)


def test_its_modes_rebuild_a_case_it_has_not_seen(refitted):
    model = ShapeModel.read(refitted[2])
    modes = model.modes.reshape(len(model.modes), -1)
    for seed in range(5):
        points = chest_shapes().draw(np.random.default_rng((8, seed))).points
        centred = points - points.mean(axis=0)
        shape = centred / np.sqrt(np.mean(np.sum(centred**2, axis=1)))
        rest = (shape - model.mean).ravel()
        rebuilt = modes.T @ (modes @ rest)
        assert np.linalg.norm(rest - rebuilt) < 0.5 * np.linalg.norm(rest)
        assert np.linalg.norm((rest - rebuilt).reshape(-1, 2), axis=1).mean() < 0.06


def test_a_swapped_case_is_left_out_and_told(refitted):
    _, process, output = refitted
    assert "left out swapped: the heart does not lie between the lungs" in process.stdout
    assert f"{NUM_CASES} cases" in process.stdout
    assert '"left_out": ["swapped: ' in output.read_text(encoding="utf-8")


def test_the_same_masks_give_the_same_file(refitted, tmp_path):
    output = refitted[2]
    assert fit(output.parent, tmp_path / "again.json").returncode == 0
    assert (tmp_path / "again.json").read_bytes() == output.read_bytes()


def test_too_few_cases_are_refused(refitted, tmp_path):
    for organ in ORGANS:
        (tmp_path / organ).mkdir()
        for path in sorted((refitted[2].parent / organ).glob("case_0*.png")):
            (tmp_path / organ / path.name).write_bytes(path.read_bytes())
    process = fit(tmp_path, tmp_path / "model.json")
    assert process.returncode == 3
    assert "10 usable cases" in process.stderr
    assert not (tmp_path / "model.json").exists()
