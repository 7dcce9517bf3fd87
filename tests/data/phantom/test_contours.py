import cv2
import numpy as np
import pytest

from darts_adv_tf.data.phantom.contours import ellipse, ribbon, spline


def area(contour):
    return cv2.contourArea(contour.astype(np.float32))


@pytest.mark.parametrize("closed", [True, False])
def test_a_spline_passes_through_its_points(closed):
    points = np.array([(0.0, 0.0), (1.0, 0.5), (2.0, 0.0), (1.0, -1.0)])
    curve = spline(points, closed, num_steps=5)
    np.testing.assert_allclose(curve[::5], points, atol=1e-12)


def test_a_spline_through_points_of_a_line_stays_on_it():
    points = np.stack([np.arange(5.0), 2.0 * np.arange(5.0)], axis=1)
    curve = spline(points)
    np.testing.assert_allclose(curve[:, 1], 2.0 * curve[:, 0], atol=1e-12)


def test_a_ribbon_is_as_wide_as_asked():
    line = np.array([(0.0, 0.0), (1.0, 0.0), (3.0, 0.0)])
    assert area(ribbon(line, 0.1)) == pytest.approx(3.0 * 0.2, rel=1e-5)
    # From 0.2 down to 0.1, linear: a trapezium on each half.
    widths = np.array([0.2, 0.2 - 0.1 / 3, 0.1])
    assert area(ribbon(line, widths)) == pytest.approx(3.0 * 0.3, rel=1e-5)


def test_ribbons_of_many_curves_are_those_of_each():
    curves = np.random.default_rng(0).normal(size=(4, 6, 2))
    widths = np.linspace(0.1, 0.2, 24).reshape(4, 6)
    together = ribbon(curves, widths)
    for contour, curve, width in zip(together, curves, widths, strict=True):
        np.testing.assert_allclose(contour, ribbon(curve, width))


def test_an_ellipse_has_its_area_and_its_angle():
    upright = ellipse((0.5, 0.4), 0.2, 0.1)
    # 24 corners leave out 1.2 per cent.
    assert area(upright) == pytest.approx(np.pi * 0.02, rel=0.013)
    np.testing.assert_allclose(upright.mean(axis=0), (0.5, 0.4))
    # A quarter turn clockwise, as y runs downwards: the tip on the right goes to the bottom.
    turned = ellipse((0.5, 0.4), 0.2, 0.1, np.pi / 2)
    np.testing.assert_allclose(turned[0], (0.5, 0.6), atol=1e-12)
