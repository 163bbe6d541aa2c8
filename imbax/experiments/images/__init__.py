"""Experiments on images: the DeepSMOTE paper's protocol on the engine that all suites share."""
