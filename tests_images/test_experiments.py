"""Whole experiments, as Katib runs them: half a CPU, 100 MiB, a server that may be killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from suggestion.deployment.images import IMAGES, Image, named
from tests_images import controller
from tests_images.containers import Container
from tests_images.served import SERVED

FORESTS = "suggestion-bayesopt-forests"
TRIALS = 1000
#: Where each suggestion takes long: a minute of computing for each image. What a request with 1,000
#: trials needs is seen by the check `memory` of the conformance suite.
FEWER_TRIALS = {"suggestion-anneal": 200, "suggestion-bayesopt": 200, FORESTS: 50}
AT_ONCE = 25  # a model is fitted for each request: with fewer at once it only takes longer


#: The image of everything runs the same code as the others; once is enough. What `darts` answers is
#: the same for every trial.
RUNS = [
    (image, name) for image, name in SERVED if name != "darts" and (image.serves or name == "tpe")
]


@pytest.mark.parametrize(
    ("image", "algorithm"), RUNS, ids=[f"{image.name}-{name}" for image, name in RUNS]
)
def test_a_whole_experiment_within_the_memory_of_the_table(
    image: Image, algorithm: str, measure: Callable[[str, float], None]
) -> None:
    trials = FEWER_TRIALS.get(image.name, TRIALS)
    message = controller.experiment(algorithm, trials)
    if image.name == FORESTS:
        message.spec.algorithm.algorithm_settings.add(name="base_estimator", value="RF")
    with Container(image) as running:
        running.wait()
        points = controller.run(running, message, trials, AT_ONCE)
        measure("MiB resident at most", running.resident())
        measure("MiB of the control group at most", running.peak_memory())
        measure("CPU s", running.cpu_seconds())
        state = running.state
    assert len(points) == trials
    assert state["Running"]
    assert not state["OOMKilled"]


@pytest.mark.parametrize(
    "image",
    [image for image in IMAGES if image.name in {"suggestion-tpe", "suggestion-sobol"}],
    ids=lambda image: image.name,
)
def test_an_experiment_whose_server_is_killed_half_way_goes_on_as_if_nothing_was(
    image: Image,
) -> None:
    message = controller.experiment(image.serves[0], 40)
    with Container(image) as running:
        running.wait()

        def kill_at_half(done: int) -> None:
            if done == 20:
                running.kill()
                running.start()
                running.wait()

        undisturbed = controller.run(running, message, 40, 2)
        killed = controller.run(running, message, 40, 2, kill_at_half)
    assert killed == undisturbed


@pytest.mark.parametrize("image", [image for image in IMAGES if not image.serves])
def test_the_image_of_everything_gives_the_same_suggestions(image: Image) -> None:
    message = controller.experiment("sobol", 30)
    found = []
    for one in (named("suggestion-sobol"), image):
        with Container(one) as running:
            running.wait()
            found.append(controller.run(running, message, 30, 5))
    assert found[0] == found[1]
