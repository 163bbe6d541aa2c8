"""Meta-Weight-Net classifier."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import StrOptions

from imbax.estimators.classifier import NeuralClassifier
from imbax.estimators.members import batch_size_of
from imbax.estimators.networks import or_else
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import meta_weight_net as mwn
from imbax.methods.optimizer import follows_time

__all__ = ["MetaWeightNetClassifier"]


@parameters
class MetaWeightNetClassifier(NeuralClassifier):
    """Network trained with row weights from a second network, which learns from a balanced loss.

    See `imbax.methods.meta_weight_net` for the equations. Columns are scaled internally.

    Parameters
    ----------
    eta1 : float, default=0.1
        Step size η₁ of the inner update.
    meta_learning_rate_init : float, default=1e-3
        Adam's learning rate for the weight network.
    meta_rows : {"valid", "train"}, default="valid"
        Rows of the balanced loss.
    alpha : float, default=None
        Decoupled weight decay. None uses the network's recipe (0 for the MLP).
    hidden_layer_sizes : array-like of int, default=None
        Widths of the hidden layers. None uses the network's default, (128, 16) for the MLP.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of the MLP.
    network : {"mlp", "mlp_plr", "mlp_ple", "realmlp", "tabm", "tabm_mini"}, Flax module or \
functions, default=None
        Network by name, trained with its recipe in `imbax.networks`, or your own network, which may
        have batch statistics and dropout; see `imbax.as_network`. None is "mlp", the multilayer
        perceptron. An epoch of "tabm" or "tabm_mini" takes a thousand times as long as an epoch of
        "mlp"; see `imbax.networks.tabm` for a smaller network.
    batch_size : int, default=None
        Number of training rows of a step and of rows of the balanced loss, at most the number of
        training rows, rounded up. None uses the network's recipe (128 for the MLP) and 128.
    learning_rate_init : float, default=None
        Adam's learning rate for the classifier. None uses the network's recipe (1e-3 for the MLP).
    max_iter : int, default=200
        Maximum number of epochs.
    early_stopping : bool, default=False
        Whether to stop after `n_iter_no_change` epochs without improvement on the validation rows.
        The best epoch is kept in any case.
    scoring : {"average_precision", "loss"}, default="average_precision"
        Score of an epoch on validation rows: "average_precision" (macro-averaged for K > 2,
        ignoring row weights) or "loss" (negative mean cross-entropy with row and class weights).
    validation_fraction : float, default=0.2
        Fraction of the rows held out for validation.
    n_iter_no_change : int, default=20
        Maximum number of epochs without improvement, checked every few epochs (at most 10).
    class_weight : dict or "balanced", default=None
        Class weights as in scikit-learn.
    n_estimators : int, default=1
        Number of members of the deep ensemble, trained as one compiled program. Their probabilities
        are averaged; each member has its own initialisation and validation rows.
    fold_ensemble : bool, default=False
        Whether each member validates on one of `n_estimators` folds (at least 2).
    recalibrate : bool, default=False
        Whether to correct probabilities to the class priors of y after `class_weight`. The learned
        row weights are not taken into account.
    scaling : {"min_max", "z_score"}, default="min_max"
        Scaling of the columns, fitted on the rows passed to fit. None disables it.
    categorical_features : "from_dtype", array-like of str, int or bool, or None, \
default="from_dtype"
        As in `ImbalancedMLPClassifier`.
    warm_start : bool, default=False
        Whether to start from the parameters of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of splits, initialisation and mini-batches.
    verbose : bool, default=False
        Whether to print each epoch's loss.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it has any.
    column_names_ : ndarray of shape (n_columns,)
        Names of the numeric columns that X is encoded to, such as "age", "age missing" and
        "colour=red".
    n_iter_ : int
        Number of epochs trained.
    loss_curve_ : list of float
        Training loss of each epoch, averaged over members.
    validation_scores_ : list of float
        Score on validation rows after each epoch, averaged over members.
    best_validation_score_ : float
        Validation score of the best epochs, averaged over members.
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
        batch_size = batch_size_of(self.batch_size, members)
        config = mwn.Config(
            self.meta_rows,
            batch_size=or_else(batch_size, recipe.batch_size),
            meta_batch_size=or_else(batch_size, mwn.Config.meta_batch_size),
            epochs=self.max_iter if follows_time(recipe) else 0,
        )
        programs = self._compiled(mwn.program, members, network, config)
        progress, curves = self._run(programs, members, self._with(members, hparams, before))
        return progress.best.params, [curves], members.prior
