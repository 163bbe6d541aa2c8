"""Meta-Weight-Net as a classifier."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import StrOptions

from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.networks import or_else
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import meta_weight_net as mwn
from imbax.methods.optimizer import follows_time

__all__ = ["MetaWeightNetClassifier"]


@parameters
class MetaWeightNetClassifier(NeuralClassifier):
    """A network whose rows are weighed by a second one, which a balanced loss teaches.

    See `imbax.methods.meta_weight_net` for the equations. Columns are scaled within.

    Parameters
    ----------
    eta1 : float, default=0.1
        Step size η₁ of the step that is looked through.
    meta_learning_rate_init : float, default=1e-3
        Adam's, of the network that weighs.
    meta_rows : {"valid", "train"}, default="valid"
        Rows of the balanced loss.
    alpha : float, default=None
        Weight decay, decoupled from the gradient; None: that of the network's recipe (0 for the
        perceptron).
    hidden_layer_sizes : array-like of int, default=None
        Widths of the hidden layers; None: those of the network, (128, 16) for the perceptron.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation of the perceptron.
    network : {"mlp", "mlp_plr", "realmlp", "tabm", "tabm_mini"}, Flax module or functions, \
default=None
        A network by name, trained by its authors' recipe; or one of your own, see
        `imbax.as_network`, which may have batch statistics and dropout. None: "mlp", the
        perceptron. An epoch of "tabm" or "tabm_mini" takes a thousand times as long as one of
        "mlp"; see `imbax.networks.tabm` for a smaller one.
    batch_size : int, default=None
        Training rows of a step, and rows of the balanced loss. None: those of the network's recipe
        (128 for the perceptron), and 128.
    learning_rate_init : float, default=None
        Adam's learning rate for the classifier; None: that of the network's recipe (1e-3 for the
        perceptron).
    max_iter : int, default=200
        Most epochs.
    early_stopping : bool, default=False
        Stop once the score on the validation rows has not got better for `n_iter_no_change` epochs.
        The best epoch is kept anyway.
    scoring : {"average_precision", "loss"}, default="average_precision"
        What the best epoch is best by, on validation rows: average precision, of more than two
        classes their mean, in which rows count alike; or minus the cross-entropy, with the weights
        of rows and classes.
    validation_fraction : float, default=0.2
    n_iter_no_change : int, default=20
        Looked at every few epochs, at most 10.
    class_weight : dict or "balanced", default=None
    n_estimators : int, default=1
        Members, trained as one program, whose probabilities are averaged; each has its own start
        and its own validation rows.
    fold_ensemble : bool, default=False
        Give each member one of `n_estimators` folds (at least 2) to validate on.
    recalibrate : bool, default=False
        Give probabilities the class shares of y where `class_weight` changed them. The learned
        weights have no share of their own.
    scaling : {"min_max", "z_score"}, default="min_max"
        Of columns, by the rows given to fit; None: as they are.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        As in `ImbalancedMLPClassifier`.
    warm_start : bool, default=False
        Start from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
    verbose : bool, default=False
        Print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.
    column_names_ : ndarray of shape (n_columns,)
        The numbers that X becomes, such as "age", "age missing" and "colour=red".
    n_iter_ : int
        Epochs done.
    loss_curve_ : list of float
        Mean training loss of each epoch, over members.
    validation_scores_ : list of float
        Score on validation rows after each epoch, over members.
    best_validation_score_ : float
        Of the best epochs, over members.
    """

    eta1: Any = 0.1
    meta_learning_rate_init: Any = 1e-3
    meta_rows: Any = "valid"
    alpha: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **NeuralClassifier._parameter_constraints,
        "eta1": [Interval(Real, 0, None, closed="neither")],
        "meta_learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "meta_rows": [StrOptions({"valid", "train"})],
        "alpha": [Interval(Real, 0, None, closed="left"), None],
    }
    _validates = True

    def _learn(self, members, before):
        network = self._network()
        recipe = network.recipe
        hparams = mwn.Hparams(
            or_else(self.learning_rate_init, recipe.learning_rate),
            or_else(self.alpha, recipe.weight_decay),
            self.eta1,
            self.meta_learning_rate_init,
        )
        config = mwn.Config(
            self.meta_rows,
            batch_size=or_else(self.batch_size, recipe.batch_size),
            meta_batch_size=or_else(self.batch_size, mwn.Config.meta_batch_size),
            epochs=self.max_iter if follows_time(recipe) else 0,
        )
        programs = self._compiled(mwn.program, members, network, config)
        progress, curves = self._run(programs, members, self._with(members, hparams, before))
        return progress.best.params, [curves], members.prior
