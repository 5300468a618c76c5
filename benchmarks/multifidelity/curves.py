"""Learning curves of scikit-learn models on digits, trained once for each configuration."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace

#: Numbers of epochs after which a model is validated: the rungs of the engines.
CHECKED: Final = (1, 3, 9, 27, 81)
EPOCHS: Final = CHECKED[-1]
WORST: Final = 20.0  # a loss that has diverged


def mlp(values: Mapping[str, Any]) -> Any:
    """A network with one hidden layer, trained by Adam."""
    return MLPClassifier(
        hidden_layer_sizes=(values["units"],),
        learning_rate_init=values["lr"],
        alpha=values["alpha"],
        batch_size=values["batch"],
        beta_1=1 - values["1-beta1"],
        activation=values["activation"],
        solver="adam",
        shuffle=False,
        random_state=0,
    )


def sgd(values: Mapping[str, Any]) -> Any:
    """Logistic regression, one class against the rest, by stochastic gradient descent."""
    return SGDClassifier(
        loss="log_loss",
        penalty=values["penalty"],
        alpha=values["alpha"],
        learning_rate="invscaling",
        eta0=values["eta0"],
        power_t=values["power_t"],
        shuffle=False,
        random_state=0,
    )


LOG = Distribution.LOG_UNIFORM
EPOCH = Int("epochs", 1, EPOCHS)
PROBLEMS: dict[str, tuple[Callable[[Mapping[str, Any]], Any], SearchSpace]] = {
    "mlp": (
        mlp,
        SearchSpace(
            (
                Double("lr", "1e-5", "1", distribution=LOG),
                Double("alpha", "1e-7", "1", distribution=LOG),
                Double("1-beta1", "0.01", "1", distribution=LOG),
                Int("units", 4, 48, distribution=LOG),
                Int("batch", 64, 256, distribution=LOG),
                Categorical("activation", ("relu", "tanh", "logistic")),
                EPOCH,
            )
        ),
    ),
    "sgd": (
        sgd,
        SearchSpace(
            (
                Double("eta0", "1e-5", "10", distribution=LOG),
                Double("alpha", "1e-8", "1", distribution=LOG),
                Double("power_t", "0", "1"),
                Categorical("penalty", ("l2", "l1", "elasticnet")),
                EPOCH,
            )
        ),
    ),
}


class Curves:
    """Validation losses of one problem at some epochs.

    A configuration's losses are a function of its values alone: the initial weights and the order
    of the rows in each epoch are always the same. So it is trained once, as far as anybody asks,
    and its losses are kept for whoever asks next.

    The data: digits, 1,257 rows to train on and 540 to validate with, 64 features in [0, 1].

    Args:
        cache: A folder that keeps the losses for the next process as well.
        checked: Numbers of epochs after which a model is validated, in ascending order. A model's
            losses depend on them a little: between two of them it is trained in one call.
    """

    def __init__(
        self, problem: str, cache: Path | None = None, checked: Sequence[int] = CHECKED
    ) -> None:
        self._make, self.space = PROBLEMS[problem]
        self._checked = tuple(checked)
        features, labels = load_digits(return_X_y=True)
        self._train, self._test, self._labels, self._test_labels = train_test_split(
            features / 16, labels, test_size=0.3, random_state=0, stratify=labels
        )
        self._classes = np.unique(labels)
        self._losses: dict[str, list[float]] = {}
        self._models: dict[str, tuple[Any, int]] = {}
        self._file: Path | None = None
        #: Epochs that were really trained.
        self.trained = 0
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            self._file = cache / f"{problem}-{sklearn.__version__}-{np.__version__}.jsonl"
            if self._file.exists():
                for line in self._file.read_text().splitlines():
                    key, losses = json.loads(line)
                    self._losses[key] = losses

    def loss(self, values: Mapping[str, Any], epochs: int) -> float:
        """Mean log loss on the validation rows after `epochs`, one of those that are checked."""
        rung = self._checked.index(epochs)
        key = json.dumps(sorted((k, v) for k, v in values.items() if k != "epochs"))
        losses = self._losses.setdefault(key, [])
        if len(losses) <= rung:
            model, done = self._models.pop(key, (None, 0))
            if model is None:
                model = self._make(values)
            for number in range(done, rung + 1):
                loss = self._train_to(model, number)
                losses[number:] = [loss]
            self._models[key] = (model, rung + 1)
            if self._file is not None:
                with self._file.open("a") as file:
                    file.write(json.dumps([key, losses]) + "\n")
        return losses[rung]

    def forget_models(self) -> None:
        """Frees the memory of the models; their losses are kept."""
        self._models.clear()

    def _train_to(self, model: Any, rung: int) -> float:
        """Trains on from the last rung; the loss at this one."""
        begin, end = self._checked[rung - 1] if rung else 0, self._checked[rung]
        self.trained += end - begin
        # One call for all epochs, each with its rows in another order: most of the time of a call
        # for one epoch goes into checking its arguments.
        rows = np.concatenate(
            [np.random.default_rng(n).permutation(len(self._train)) for n in range(begin, end)]
        )
        try:
            with (
                np.errstate(all="ignore"),
                warnings.catch_warnings(),
                sklearn.config_context(assume_finite=True),
            ):
                warnings.simplefilter("ignore", (ConvergenceWarning, RuntimeWarning))
                model.partial_fit(self._train[rows], self._labels[rows], classes=self._classes)
                return self._log_loss(model.predict_proba(self._test))
        except ValueError:  # its weights have overflowed
            return WORST

    def _log_loss(self, probabilities: NDArray[np.float64]) -> float:
        right = probabilities[np.arange(len(self._test)), self._test_labels]
        loss = float(-np.log(np.maximum(right, 1e-300)).mean())
        return min(loss, WORST) if np.isfinite(loss) else WORST
