"""What a setting does to a body of two thicknesses: thin on the left half, thick on the right."""

import dataclasses

import numpy as np
import pytest

from darts_adv_tf.data.phantom.canvas import Canvas
from darts_adv_tf.data.phantom.exposure import DOMAINS, Setting, draw_setting, expose

SIZE = 96
PLAIN = Setting(
    rotation=0.0,
    pose_spread=1.0,
    blades_inwards=0.0,
    has_leads=False,
    scatter=0.0,
    sharpness=0.001,
    gamma=1.0,
    darkest=0.1,
    contrast=0.6,
    noise=0.0,
    slope=(0.0, 0.0),
    marker="",
    marker_place=(0.1, 0.1),
    marker_height=0.1,
    marker_has_box=False,
    collimation=(0.0, 0.0, 0.0, 0.0),
)


def decoded(**changes) -> np.ndarray:
    canvas = Canvas(SIZE)
    thickness = np.full((canvas.side, canvas.side), 8.0, np.float32)
    thickness[:, canvas.side // 2 :] = 16.0
    setting = dataclasses.replace(PLAIN, **changes)
    return expose(thickness, canvas, setting, SIZE, np.random.default_rng(0)).astype(float)


def halves(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without what lies near their border or the edge."""
    return image[10:-10, 10:30], image[10:-10, -30:-10]


def test_without_scatter_intensities_follow_thickness():
    thin, thick = halves(decoded())
    # -ln exp(-0.18 t) = 0.18 t; air below 0.12 is black, and the thickest takes the whole range.
    expected = 0.1 + 0.6 * (0.18 * 8.0 - 0.12) / (0.18 * 16.0 - 0.12)
    assert thin.mean() / 255.0 == pytest.approx(expected, abs=0.005)
    assert thick.mean() / 255.0 == pytest.approx(0.7, abs=0.005)
    assert thin.std() < 0.5


def test_scatter_takes_contrast_from_small_parts():
    canvas = Canvas(SIZE)
    thickness = np.full((canvas.side, canvas.side), 8.0, np.float32)
    thickness[:, canvas.side // 2 :] = 16.0
    # A band of 5 per cent of the image, as dense as the right half.
    band = slice(canvas.side // 4, canvas.side // 4 + canvas.side // 20)
    thickness[:, band] = 16.0
    contrasts = []
    for scatter in (0.0, 0.5, 1.5):
        setting = dataclasses.replace(PLAIN, scatter=scatter)
        image = expose(thickness, canvas, setting, SIZE, np.random.default_rng(0)).astype(float)
        contrasts.append(image[40, SIZE // 4 + 1] - image[40, 8])
    assert contrasts[0] > contrasts[1] + 10.0 > contrasts[2] + 20.0


def test_noise_grows_with_thickness():
    thin, thick = halves(decoded(noise=0.02))
    # Fewer rays by a factor of e^(0.18 8): the noise grows by its root.
    assert thick.std() / thin.std() == pytest.approx(np.exp(0.5 * 0.18 * 8.0), rel=0.15)


def test_contrast_above_one_burns_out():
    thin, thick = halves(decoded(contrast=1.3))
    assert (thick == 255.0).all() and (thin < 255.0).all()


def test_a_marker_is_white_on_black_where_asked():
    plain = decoded()
    bare = decoded(marker="L")
    boxed = decoded(marker="L", marker_has_box=True)
    around = np.s_[8:21, 8:19]
    assert bare[around].max() == boxed[around].max() == 255.0
    assert bare[around].min() >= plain[around].min() and boxed[around].min() == 0.0
    np.testing.assert_array_equal(boxed[:, SIZE // 2 :], plain[:, SIZE // 2 :])


def test_collimation_is_black_and_spares_the_organs():
    image = decoded(collimation=(0.1, 0.0, 0.0, 0.2))
    assert (image[:, :8] == 0.0).all() and (image[-17:] == 0.0).all()
    assert (image[:70, 14:] > 50.0).all()
    setting = dataclasses.replace(PLAIN, collimation=(0.1, 0.1, 0.1, 0.1))
    spared = setting.with_field_around(np.array([(0.05, 0.5), (0.93, 0.995)]))
    np.testing.assert_allclose(spared.collimation, (0.04, 0.1, 0.06, 0.0), atol=1e-12)


def test_many_hospitals_vary_where_one_machine_does_not():
    drawn = {
        domain: [draw_setting(np.random.default_rng(index), domain) for index in range(200)]
        for domain in DOMAINS
    }
    for name in ("scatter", "gamma", "contrast", "darkest", "rotation", "noise", "sharpness"):
        one, many = (np.std([getattr(s, name) for s in drawn[domain]]) for domain in DOMAINS)
        assert many > 2.0 * one, name
    assert {s.marker for s in drawn["uniform"]} == {"R"}
    assert {s.marker for s in drawn["mixed"]} == {"R", "L", ""}
    assert 0.15 < np.mean([s.has_leads for s in drawn["mixed"]]) < 0.35
